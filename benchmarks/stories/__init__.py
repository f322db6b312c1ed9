"""One load in four situations, seen in Prometheus, in Jaeger and in the log: ``python -m benchmarks.stories``."""
