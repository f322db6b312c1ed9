"""``triton-otel advise``: what recorded numbers say of a pool's options."""
