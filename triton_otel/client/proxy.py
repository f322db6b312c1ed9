"""The proxy of a client's settings, as httpcore wants it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import httpcore

from triton_otel.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from triton_otel.options.proxy import ProxyAddress

__all__ = ["check_proxy", "proxy_for", "trust"]


def check_proxy(address: ProxyAddress | None) -> None:
    """Check that the package is there which a proxy needs.

    Raises:
        ConfigError: It is not; the text says how to get it.
    """
    if address is not None and address.scheme == "socks5" and importlib.util.find_spec("socksio") is None:
        raise ConfigError("proxy: socks5:// needs the package socksio, which comes with triton-otel[socks]")


def proxy_for(address: ProxyAddress | None) -> httpcore.Proxy | None:
    """Return httpcore's proxy, ``None`` for none."""
    if address is None:
        return None
    url = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target="/")
    return httpcore.Proxy(url, auth=address.auth)


def trust(proxy: httpcore.Proxy | None, context: ssl.SSLContext) -> None:
    """Have a proxy that is reached over TLS verified as the server is."""
    if proxy is not None and proxy.url.scheme == b"https":
        proxy.ssl_context = context
