"""triton_otel: the client for Triton Inference Server's HTTP API that you can see into."""
