"""``triton-otel top``: the pools of running programs, live in the terminal."""
