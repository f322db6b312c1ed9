"""Room of triton_otel."""
