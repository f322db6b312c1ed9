"""Grafana dashboards and Prometheus rules: the boards as data, the program that draws them, the files it writes."""
