"""What a user can reach from the top, and what importing it loads."""

from __future__ import annotations

import subprocess
import sys

import triton_otel

PUBLIC = {
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
    "AsyncTritonClient",
    "TritonClient",
    "TritonError",
    "__version__",
}


def test_the_public_names_are_these() -> None:
    assert set(triton_otel.__all__) == PUBLIC
    assert [name for name in PUBLIC if not hasattr(triton_otel, name)] == []


def test_every_public_thing_has_a_docstring() -> None:
    missing = []
    for name in PUBLIC - {"__version__"}:
        thing = getattr(triton_otel, name)
        if not thing.__doc__:
            missing.append(name)
        for attribute, value in vars(thing).items():
            function = getattr(value, "fget", value)
            function = getattr(function, "__func__", function)
            if not attribute.startswith("_") and callable(function) and not function.__doc__:
                missing.append(f"{name}.{attribute}")
    assert missing == []


def test_importing_the_package_loads_neither_sdk_nor_exporters_nor_the_commands_libraries() -> None:
    code = (
        "import sys, triton_otel\n"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'grpc', 'google.protobuf', 'rich', 'click')\n"
        "print(sorted(name for name in sys.modules if name.startswith(heavy)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
