"""Where the server is: scheme, host, port and base path, from ``host:port`` or a URL."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from triton_otel.errors import ConfigError
from triton_otel.options.values import article, show

__all__ = ["Endpoint"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLES = 'write for example "triton:8000", "https://triton.example.com" or "http://gateway:8080/base"'
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
# Flink's examples end in /v2/models; the paths that this client builds start with /v2 themselves.
_API_ENDING = re.compile(r"/v2(?:/models(?:/.*)?)?$")


@dataclass(frozen=True)
class Endpoint:
    """Address of a Triton server.

    Parameters:
        scheme: ``http`` or ``https``.
        host: Name or address in lower case, an IPv6 address without brackets.
        port: 1 to 65535.
        base_path: Path before ``/v2``, as ``""`` or ``/x/y``, percent-encoded as the user wrote it.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""

    @property
    def authority(self) -> str:
        """Host, and the port unless it is the scheme's own, as in a Host header (RFC 9110 section 7.2)."""
        # RFC 6874 section 4: a zone identifier means something on this machine only and is not sent.
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.base_path}"

    @classmethod
    def parse(cls, text: object, *, name: str = "endpoint") -> Endpoint:
        """Return the endpoint that *text* names.

        Parameters:
            text: ``host:port`` or ``host`` (plain HTTP), either with a path, or an ``http``/``https`` URL.  The port
                defaults to the scheme's.  An ending ``/v2``, ``/v2/models`` or ``/v2/models/…`` is taken off.
            name: Name of the option or argument, for the error.

        Raises:
            ConfigError: It is no such address, or holds credentials, a query or a fragment.  A text that may hold
                credentials is not repeated in the error.
        """
        if isinstance(text, Endpoint):
            return text
        if not isinstance(text, str):
            raise ConfigError(f"{name}: {article(text)} is not an address; {_EXAMPLES}")
        scheme, authority, path = _cut(text, name)
        found = _AUTHORITY.fullmatch(authority)
        if not found:
            raise ConfigError(
                f"{name}: {_shown(text)} is not an address; an IPv6 address needs brackets, as in [::1]:8000"
            )
        port = _DEFAULT_PORTS[scheme] if found["port"] is None else _port(found["port"], text, name)
        return cls(scheme=scheme, host=_host(found["host"], text, name), port=port, base_path=_base(path, text, name))


def _shown(text: str) -> str:
    # A password, or a token in a query, ends before or starts after one of these.
    return "the address (not shown, it may hold credentials)" if any(c in text for c in "@?#") else show(text)


def _cut(text: str, name: str) -> tuple[str, str, str]:
    trimmed = text.strip()
    if not trimmed:
        raise ConfigError(f"{name}: is empty; {_EXAMPLES}")
    if any(not "!" <= character <= "~" for character in trimmed):
        raise ConfigError(
            f"{name}: {_shown(text)} has a character that no address may have; a name outside ASCII is written in its "
            "xn-- form, one in a path percent-encoded"
        )
    scheme, separator, rest = trimmed.partition("://")
    if not separator:
        scheme, rest = "http", trimmed
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ConfigError(f"{name}: {_shown(text)} does not begin with http:// or https://; {_EXAMPLES}")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise ConfigError(
            f"{name}: the address holds credentials (not shown); leave them out and set auth-token or custom-headers"
        )
    if "?" in rest or "#" in rest:
        raise ConfigError(f"{name}: the address has a query or a fragment (not shown), which an endpoint cannot have")
    return scheme, authority, slash + path


def _host(host: str, text: str, name: str) -> str:
    if host.startswith("["):
        address = _ipv6(host[1:-1])
        if address is None:
            raise ConfigError(f"{name}: {_shown(text)} has no valid IPv6 address in its brackets; {_EXAMPLES}")
        return address
    if not host:
        raise ConfigError(f"{name}: {_shown(text)} names no host; {_EXAMPLES}")
    if not _HOST.fullmatch(host) or ".." in host:
        raise ConfigError(f"{name}: {_shown(text)} has no valid host name; {_EXAMPLES}")
    return host.lower()


def _ipv6(text: str) -> str | None:
    try:
        # RFC 6874: in a URL the % before a zone identifier is itself encoded.
        return str(ipaddress.IPv6Address(text.replace("%25", "%", 1)))
    except ValueError:
        return None


def _port(digits: str, text: str, name: str) -> int:
    if not _PORT.fullmatch(digits) or not 1 <= int(digits) <= 65535:
        raise ConfigError(f"{name}: {_shown(text)} has no valid port; a port is a number from 1 to 65535")
    return int(digits)


def _base(path: str, text: str, name: str) -> str:
    if not _PATH.fullmatch(path):
        raise ConfigError(f"{name}: {_shown(text)} has a path with a character that must be percent-encoded")
    base = _API_ENDING.sub("", path.rstrip("/")).rstrip("/")
    if any(part in (".", "..") for part in base.split("/")):
        raise ConfigError(f"{name}: {_shown(text)} has a path with . or .. in it; write the path that is meant")
    return base
