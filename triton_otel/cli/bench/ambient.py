"""What the environment says to our own client, for the other clients to do as well.

Read by each client's process from its own environment, so that no secret travels.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from triton_otel.options import ClientConfig
from triton_otel.options.table import by_key

if TYPE_CHECKING:
    from triton_otel.cli.bench.target import Target

__all__ = ["ours_alone", "sent_by_all", "sent_headers", "verified"]

_FOR_ALL = ("auth-token", "custom-headers")
_OURS_ALONE = ("proxy", "compression", "tls-server-name")


def sent_headers(target: Target) -> dict[str, str]:
    """Return the headers that token and custom headers of the environment stand for."""
    config = _config(target)
    headers = {} if config.auth_token is None else {"Authorization": f"Bearer {config.auth_token}"}
    for name, value in config.headers:
        headers = {other: kept for other, kept in headers.items() if other.lower() != name.lower()}
        headers[name] = value
    return headers


def verified(target: Target) -> ssl.SSLContext | None:
    """Return how the server is verified, and what it is shown; ``None`` over plain HTTP."""
    if target.scheme != "https":
        return None
    return with_certificate(ssl.create_default_context(cafile=authority(target)), target)


def with_certificate(context: ssl.SSLContext, target: Target) -> ssl.SSLContext:
    """Have a context show the client's certificate that the environment names, and verify as it says."""
    tls = _config(target).tls
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file, tls.key_password or str)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def authority(target: Target) -> str | None:
    """Return the file of the authority that is trusted; ``None`` for the system's."""
    return _config(target).tls.ca_file


def sent_by_all() -> list[str]:
    """Return the variables of the environment that stand for headers of every client."""
    return _set(_FOR_ALL)


def ours_alone() -> list[str]:
    """Return the variables of the environment that change what only our own client does."""
    return _set(_OURS_ALONE)


def _set(keys: tuple[str, ...]) -> list[str]:
    variables = (by_key(key).environment for key in keys)
    return [variable for variable in variables if os.environ.get(variable)]


def _config(target: Target) -> ClientConfig:
    return ClientConfig.from_arguments(target.url, tls_ca_file=target.ca_file)
