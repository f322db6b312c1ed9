"""The clients that can be measured, by name, and what each needs to be installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["ASYNC", "BASE", "KINDS", "SYNC", "Kind", "load", "missing"]

OURS = "triton_otel"
TRITON = "tritonclient.http"
HTTPCORE = "httpcore"
BARE = "bare socket"
BARE_KEPT = "bare socket, one buffer"
OURS_ASYNC = "triton_otel async"
TRITON_AIO = "tritonclient.http.aio"
AIOHTTP = "aiohttp"
HTTPCORE_ASYNC = "httpcore async"
BARE_ASYNCIO = "bare asyncio"


@dataclass(frozen=True)
class Kind:
    """One way to make an inference.

    Parameters:
        place: Module and class, as ``package.module:Class``.
        needs: Modules that must be there, the first missing one decides.
        install: What is given to pip where one is missing.
    """

    place: str
    needs: tuple[str, ...] = ()
    install: str = ""


_SYNC = "triton_otel.cli.bench.clients"
_ASYNC = "triton_otel.cli.bench.aclients"
_TRITON = "tritonclient[http]"

KINDS: dict[str, Kind] = {
    OURS: Kind(f"{_SYNC}:Ours"),
    TRITON: Kind(f"{_SYNC}:TritonHttp", ("tritonclient", "gevent", "geventhttpclient", "tritonclient.http"), _TRITON),
    HTTPCORE: Kind(f"{_SYNC}:Httpcore"),
    BARE: Kind(f"{_SYNC}:BareSocket"),
    BARE_KEPT: Kind(f"{_SYNC}:BareSocketOneBuffer"),
    OURS_ASYNC: Kind(f"{_ASYNC}:AsyncOurs"),
    TRITON_AIO: Kind(f"{_ASYNC}:TritonAio", ("tritonclient", "aiohttp", "tritonclient.http.aio"), _TRITON),
    AIOHTTP: Kind(f"{_ASYNC}:Aiohttp", ("aiohttp",), "aiohttp"),
    HTTPCORE_ASYNC: Kind(f"{_ASYNC}:AsyncHttpcore"),
    BARE_ASYNCIO: Kind(f"{_ASYNC}:BareAsyncio"),
}
"""Every client, by the name that it has in tables."""

SYNC = (OURS, TRITON, HTTPCORE, BARE)
"""Clients for threads."""

ASYNC = (OURS_ASYNC, TRITON_AIO, AIOHTTP, HTTPCORE_ASYNC, BARE_ASYNCIO)
"""Clients for the tasks of asyncio."""

BASE = {OURS: (TRITON, HTTPCORE), OURS_ASYNC: (TRITON_AIO, HTTPCORE_ASYNC)}
"""What the others are measured against, beside ours: the first of these that is installed."""


def missing(name: str) -> str:
    """Return how to install what a client needs; empty where it is there."""
    kind = KINDS[name]
    absent = next((module for module in kind.needs if find_spec(module) is None), None)
    # In this order the package is there when its submodule is looked for.
    return "" if absent is None else f"not installed: pip install '{kind.install}'"


def load(name: str, kinds: Mapping[str, Kind]) -> Any:
    """Return the class of a client."""
    module, _, attribute = kinds[name].place.partition(":")
    return getattr(import_module(module), attribute)
