"""What a server says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triton_otel.cli.words import one_line
from triton_otel.errors import ServerError

if TYPE_CHECKING:
    from triton_otel.client.sync import TritonClient

__all__ = ["server_name"]


def server_name(client: TritonClient) -> str:
    """Return the server's name and version, or that it does not tell."""
    try:
        metadata: Mapping[str, Any] = client.server_metadata()
    except ServerError:
        # Behind a gateway there may be models and nothing else.
        return "a server that does not tell its name"
    return one_line(f"{metadata.get('name', 'a server')} {metadata.get('version', '')}").strip()
