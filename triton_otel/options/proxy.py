"""The address of a proxy, with the name and password that it may want."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from triton_otel.errors import ConfigError
from triton_otel.options.endpoint import Endpoint
from triton_otel.options.secrets import Secret
from triton_otel.options.values import article

__all__ = ["ProxyAddress"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080}
_EXAMPLES = 'write for example "http://proxy:3128", "https://proxy.example.com" or "socks5://name:password@proxy:1080"'
_SCHEME = re.compile(r"(http|https|socks5)://(.*)", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r":[0-9]+$")
_LONGEST = 255
"""Bytes of a name or a password at most, by RFC 1929 section 2."""


@dataclass(frozen=True)
class ProxyAddress:
    """Address of a proxy.

    Parameters:
        scheme: ``http``, ``https`` or ``socks5``.
        host: Name or address, an IPv6 address without brackets.
        port: 1 to 65535.
        username: What the proxy knows the client by, or None.
        password: The password; None without a name.
    """

    scheme: str
    host: str
    port: int
    username: Secret | None = None
    password: Secret | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def auth(self) -> tuple[bytes, bytes] | None:
        """Name and password in clear, or None."""
        if self.username is None or self.password is None:
            return None
        return self.username.reveal().encode(), self.password.reveal().encode()

    @classmethod
    def parse(cls, text: object, *, name: str = "proxy") -> ProxyAddress:
        """Return the proxy that *text* names.

        Parameters:
            text: An ``http``, ``https`` or ``socks5`` URL, with ``name:password@`` before the host if the proxy wants
                that; what is special in a URL is percent-encoded there.  The port defaults to 80, 443 or 1080.
            name: Name of the option or argument, for the error.

        Raises:
            ConfigError: It is no such address.  The text is not repeated in the error: it may hold a password.
        """
        if isinstance(text, ProxyAddress):
            return text
        if not isinstance(text, str):
            raise ConfigError(f"{name}: {article(text)} is not the address of a proxy; {_EXAMPLES}")
        found = _SCHEME.fullmatch(text.strip())
        if not found:
            raise ConfigError(
                f"{name}: the address (not shown, it may hold a password) does not begin with http://, https:// or "
                f"socks5://; {_EXAMPLES}"
            )
        scheme = found[1].lower()
        credentials, at, authority = found[2].rpartition("@")
        authority = authority.removesuffix("/")
        if any(character in authority for character in "/?#"):
            raise ConfigError(f"{name}: a proxy's address (not shown, it may hold a password) ends with host and port")
        if not _PORT.search(authority):
            authority = f"{authority}:{_DEFAULT_PORTS[scheme]}"
        try:
            place = Endpoint.parse(f"http://{authority}", name=name)
        except ConfigError:
            raise ConfigError(
                f"{name}: the address (not shown, it may hold a password) names no valid host and port; {_EXAMPLES}"
            ) from None
        username, password = _credentials(credentials, name) if at else (None, None)
        return cls(scheme, place.host, place.port, username, password)


def _credentials(text: str, name: str) -> tuple[Secret, Secret]:
    user, _, password = text.partition(":")
    parts = []
    for part in (user, password):
        try:
            plain = unquote_to_bytes(part).decode("utf-8")
        except UnicodeError:
            raise ConfigError(f"{name}: name or password of the proxy (not shown) is not UTF-8") from None
        if len(plain.encode()) > _LONGEST or not plain.isprintable():
            raise ConfigError(
                f"{name}: name or password of the proxy (not shown) is longer than {_LONGEST} bytes or not printable"
            )
        parts.append(Secret(plain))
    if not user or ":" in parts[0].reveal():
        raise ConfigError(f"{name}: the proxy's name (not shown) is empty or has a colon, which no proxy can read")
    return parts[0], parts[1]
