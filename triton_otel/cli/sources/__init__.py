"""Where recorded numbers come from: a Prometheus, a /metrics page, a log."""
