"""The observability stack: collector, Jaeger, Prometheus, and a way to run them without containers.

``python -m collector --help`` tells what the command line can do.
"""
