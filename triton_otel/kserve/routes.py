"""Paths of Triton's HTTP API.  Their templates are also the names of the spans.

Source: Open Inference Protocol v2 (REST), *API endpoints*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from triton_otel.errors import ConfigError
from triton_otel.kserve.names import check_name

__all__ = [
    "Route",
    "infer",
    "model_config",
    "model_metadata",
    "model_ready",
    "server_live",
    "server_metadata",
    "server_ready",
]


@dataclass(frozen=True)
class Route:
    """One kind of request: its method and where it goes."""

    method: str
    """HTTP method."""
    path: str
    """Path from the server's base path on, percent-encoded; starts with ``/v2``."""
    template: str
    """The same with names in braces in place of values: few different texts, fit for span names and metrics."""
    model_name: str | None = None
    """Model the request is for, as the caller wrote it."""
    model_version: str | None = None
    """Version that was asked for; ``None`` lets the server choose."""


_SERVER_LIVE = Route("GET", "/v2/health/live", "/v2/health/live")
_SERVER_READY = Route("GET", "/v2/health/ready", "/v2/health/ready")
_SERVER_METADATA = Route("GET", "/v2", "/v2")


def server_live() -> Route:
    """Return the route that asks whether the server lives."""
    return _SERVER_LIVE


def server_ready() -> Route:
    """Return the route that asks whether the server takes inference requests."""
    return _SERVER_READY


def server_metadata() -> Route:
    """Return the route of the server's name, version and extensions."""
    return _SERVER_METADATA


def infer(model: str, version: str | int | None = None) -> Route:
    """Return the route of an inference.

    Parameters:
        model: Name of the model.  Every character is kept: what has a meaning in a path is percent-encoded.
        version: Version of the model; ``None`` lets the server choose.

    Raises:
        ConfigError: The name or version is empty, ``.``, ``..``, has control characters or is of another type.
    """
    return _of_model("POST", "/infer", model, version)


def model_ready(model: str, version: str | int | None = None) -> Route:
    """Return the route that asks whether a model is ready.  Parameters and errors as :func:`infer`."""
    return _of_model("GET", "/ready", model, version)


def model_metadata(model: str, version: str | int | None = None) -> Route:
    """Return the route of a model's inputs and outputs.  Parameters and errors as :func:`infer`."""
    return _of_model("GET", "", model, version)


def model_config(model: str, version: str | int | None = None) -> Route:
    """Return the route of a model's configuration, an extension of Triton's; parameters as in :func:`infer`."""
    return _of_model("GET", "/config", model, version)


def _of_model(method: str, suffix: str, model: str, version: str | int | None) -> Route:
    # Checked before the cache: what cannot be hashed must be a ConfigError too, and True is not version 1.
    if not isinstance(model, str):
        raise ConfigError(f"model name must be a str, not {type(model).__name__}")
    if version is not None and not isinstance(version, str):
        if type(version) is not int:
            raise ConfigError(f"model version must be a str or an int, not {type(version).__name__}")
        version = str(version)
    return _cached(method, suffix, model, version)


@lru_cache(maxsize=1024)
def _cached(method: str, suffix: str, model: str, version: str | None) -> Route:
    model = check_name(model, "model name")
    path = f"/v2/models/{_segment(model, 'model name')}"
    template = "/v2/models/{model_name}"
    if version is not None:
        version = check_name(version, "model version")
        path += f"/versions/{_segment(version, 'model version')}"
        template += "/versions/{model_version}"
    return Route(method, path + suffix, template + suffix, model, version)


def _segment(value: str, what: str) -> str:
    # Dots cannot be percent-encoded with effect: servers and proxies resolve "%2E%2E" like "..".
    if value in {".", ".."}:
        raise ConfigError(f"{what} must not be {value!r}: a path with it leads elsewhere")
    return quote(value, safe="")
