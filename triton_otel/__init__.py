"""triton_otel: the client for Triton Inference Server's HTTP API that you can see into.

The names below are loaded when they are first used: the pytest plugin makes every pytest run import this package, and
such a run should not pay for numpy and OpenTelemetry unless it uses them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from triton_otel._version import __version__

if TYPE_CHECKING:
    from triton_otel.client.aio import AsyncTritonClient
    from triton_otel.client.sync import TritonClient
    from triton_otel.errors import (
        ClientClosed,
        ConfigError,
        ConnectError,
        ConnectTimeout,
        DecodeError,
        PoolFull,
        PoolTimeout,
        ProtocolError,
        RequestTimeout,
        ServerError,
        TransportError,
        TritonError,
    )
    from triton_otel.kserve.request import Input, Output
    from triton_otel.kserve.result import InferResult
    from triton_otel.options import ConnectionPoolConfig
    from triton_otel.pool.stats import PoolStats
    from triton_otel.wire.phases import ConnectionInfo, Timing

__all__ = [
    "AsyncTritonClient",
    "ClientClosed",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionInfo",
    "ConnectionPoolConfig",
    "DecodeError",
    "InferResult",
    "Input",
    "Output",
    "PoolFull",
    "PoolStats",
    "PoolTimeout",
    "ProtocolError",
    "RequestTimeout",
    "ServerError",
    "Timing",
    "TransportError",
    "TritonClient",
    "TritonError",
    "__version__",
]

_HOMES = {
    "AsyncTritonClient": "client.aio",
    "ConnectionInfo": "wire.phases",
    "ConnectionPoolConfig": "options",
    "InferResult": "kserve.result",
    "Input": "kserve.request",
    "Output": "kserve.request",
    "PoolStats": "pool.stats",
    "Timing": "wire.phases",
    "TritonClient": "client.sync",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
