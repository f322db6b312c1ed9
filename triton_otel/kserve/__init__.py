"""KServe v2 as Triton speaks it, without any I/O: tensors, request and answer bodies, paths.

Bodies follow the Open Inference Protocol v2 (REST) and Triton's binary tensor data extension.  Nothing in this room
opens a socket or knows of a client: bytes and numpy arrays go in, bytes and numpy arrays come out.
"""
