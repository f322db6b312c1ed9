"""How much a model can work on at once, asked of its server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpcore

from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line
from triton_otel.pool import ConnectionPool

if TYPE_CHECKING:
    from triton_otel.options import Endpoint

__all__ = ["ask", "capacity"]

_TIMEOUT = dict.fromkeys(("connect", "read", "write", "pool"), 10.0)


def ask(endpoint: Endpoint, model: str) -> tuple[int, int]:
    """Return the instances of a model and its largest batch, from the model's configuration.

    Raises:
        CliError: The server does not answer, or does not have the model or its configuration.
    """
    url = f"{endpoint}/v2/models/{quote(model, safe='')}/config"
    try:
        with ConnectionPool() as pool:
            answer = pool.request("GET", url, extensions={"timeout": _TIMEOUT})
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise CliError(f"{endpoint} does not answer: {one_line(error) or type(error).__name__}") from error
    try:
        told = json.loads(answer.content)
    except ValueError:
        told = None
    if answer.status != 200 or not isinstance(told, dict):
        said = one_line(told.get("error", "")) if isinstance(told, dict) else ""
        raise CliError(
            f"{endpoint} does not tell the configuration of model {model!r}: HTTP {answer.status}"
            f"{': ' + said if said else ''}; --instances says it instead"
        )
    return capacity(told)


def capacity(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the instances and the largest batch of a model's configuration.

    A group on GPUs has its count on each of them; a model without groups has one instance.

    Raises:
        CliError: The configuration is not understood.
    """
    try:
        groups = config.get("instance_group") or [{"count": 1}]
        instances = sum(max(1, int(one.get("count", 1))) * max(1, len(one.get("gpus") or ())) for one in groups)
        return instances, int(config.get("max_batch_size", 0))
    except (AttributeError, TypeError, ValueError) as error:
        raise CliError("the model's configuration is not understood") from error
