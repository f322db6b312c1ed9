"""How much a model can work on at once, asked of its server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triton_otel import TritonClient
from triton_otel.cli.failure import CliError
from triton_otel.errors import ServerError

if TYPE_CHECKING:
    from triton_otel.options import Endpoint

__all__ = ["ask", "capacity"]

_TIMEOUT = 10.0


def ask(endpoint: Endpoint, model: str) -> tuple[int, int]:
    """Return the instances of a model and its largest batch, from the model's configuration.

    Token, TLS files and proxy are those of the environment (``TRITON_OTEL_…``), as for every client.

    Raises:
        TritonError: The server does not answer, or does not have the model or its configuration.
    """
    with TritonClient(str(endpoint), timeout=_TIMEOUT) as client:
        try:
            return capacity(client.model_config(model))
        except ServerError as error:
            raise CliError(f"{error}; --instances says what it would have told") from error


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
