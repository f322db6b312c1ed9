"""An in-process KServe v2 server for tests and the demo.

:class:`EmbeddedTriton` answers as Triton Inference Server does, in a thread of this process, and can be told to
misbehave with :class:`Fault`.  It needs the extra ``triton-otel[testing]`` (uvicorn); importing this package does not
load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.testing.answer import Answer
    from triton_otel.testing.exchange import Exchange
    from triton_otel.testing.fault import Fault
    from triton_otel.testing.injection import Injection
    from triton_otel.testing.ledger import SeenRequest
    from triton_otel.testing.model import Model, ModelError, TensorSpec, default_models
    from triton_otel.testing.server import EmbeddedTriton

__all__ = [
    "Answer",
    "EmbeddedTriton",
    "Exchange",
    "Fault",
    "Injection",
    "Model",
    "ModelError",
    "SeenRequest",
    "TensorSpec",
    "default_models",
]

_HOMES = {
    "Answer": "answer",
    "EmbeddedTriton": "server",
    "Exchange": "exchange",
    "Fault": "fault",
    "Injection": "injection",
    "Model": "model",
    "ModelError": "model",
    "SeenRequest": "ledger",
    "TensorSpec": "model",
    "default_models": "model",
}


def __getattr__(name: str) -> object:
    # Lazy, because pytest imports every installed plugin at every start.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
