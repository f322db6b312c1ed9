"""Side-by-side benchmarks against the peers; ``python -m benchmarks --help`` says how to run them."""
