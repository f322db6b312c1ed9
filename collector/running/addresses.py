"""Which port each program listens on."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, fields

__all__ = ["HOST", "Addresses", "chosen", "free_ports", "is_free"]

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Addresses:
    """Ports on the loopback address; the defaults are those that people expect, where there are such.

    Parameters:
        otlp_grpc: Where programs send spans and numbers, as OTLP over gRPC.
        otlp_http: The same over HTTP.
        exported: The collector's Prometheus exporter: the numbers that it was sent.
        collector_metrics: The collector's numbers about itself.
        health: The collector's health check.
        jaeger_otlp: Where the collector sends traces.
        jaeger: Jaeger's pages and its HTTP query interface.
        jaeger_admin: Jaeger's health check.
        prometheus: Prometheus's pages and its HTTP query interface.
    """

    otlp_grpc: int = 4317
    otlp_http: int = 4318
    exported: int = 8889
    collector_metrics: int = 8888
    health: int = 13133
    jaeger_otlp: int = 14317
    jaeger: int = 16686
    jaeger_admin: int = 14269
    prometheus: int = 9090

    def url(self, name: str) -> str:
        """Return the HTTP address of a port by its name, without a path."""
        return f"http://{HOST}:{getattr(self, name)}"

    def address(self, name: str) -> str:
        """Return host and port by the port's name."""
        return f"{HOST}:{getattr(self, name)}"


def chosen(*, standard: bool) -> Addresses:
    """Return ports that are free now.

    Parameters:
        standard: Take the expected port wherever it is free, not only free ones that nobody expects.
    """
    names = [field.name for field in fields(Addresses)]
    spare = dict(zip(names, free_ports(len(names)), strict=True))
    if standard:
        spare.update({name: port for name in names if is_free(port := getattr(Addresses, name))})
    return Addresses(**spare)


def free_ports(count: int) -> list[int]:
    """Return ports that no program listens on, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that are not forgotten yet are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
