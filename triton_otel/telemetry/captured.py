"""Headers of requests and answers as attributes of spans, where the environment asks for them.

``OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST`` and ``…_CLIENT_RESPONSE`` name the headers, with commas;
each name may be a regular expression for the whole name.  Values of headers that
``OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS`` names, as expressions for a part of the name, are hidden,
and so are always those that are secret here.  Case does not matter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from triton_otel.telemetry.propagation import Headers

__all__ = ["CapturedHeaders"]

_PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_HIDDEN = "[REDACTED]"
_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")

Attributes = dict[str, "tuple[str, ...]"]


class CapturedHeaders:
    """Knows which headers are wanted, and which values nobody may see.

    Parameters:
        request: Expressions for the names of a request's headers.
        response: Expressions for the names of an answer's headers.
        hidden: Expressions for parts of the names whose values are hidden.
        secret: Names whose values are hidden besides.
    """

    def __init__(
        self,
        request: Iterable[str] = (),
        response: Iterable[str] = (),
        hidden: Iterable[str] = (),
        secret: Iterable[str] = (),
    ) -> None:
        self._request = _pattern(request)
        self._response = _pattern(response)
        self._hidden = _pattern(hidden)
        self._secret = frozenset(name.lower() for name in (*_SECRET, *secret))

    @classmethod
    def from_environment(cls, secret: Iterable[str]) -> CapturedHeaders | None:
        """Return what the environment asks for; ``None`` for nothing.

        Parameters:
            secret: Names of headers whose values come from settings that are never shown.
        """
        request, response, hidden = (
            _listed(_PREFIX + name) for name in ("CLIENT_REQUEST", "CLIENT_RESPONSE", "SANITIZE_FIELDS")
        )
        return cls(request, response, hidden, secret) if request or response else None

    def of_request(self, headers: Headers) -> Attributes:
        """Return the wanted headers of a request as attributes of its span."""
        return self._found(headers, self._request, "http.request.header.")

    def of_response(self, headers: Headers) -> Attributes:
        """Return the wanted headers of an answer as attributes of the span."""
        return self._found(headers, self._response, "http.response.header.")

    def _found(self, headers: Headers, wanted: re.Pattern[str] | None, prefix: str) -> Attributes:
        found: Attributes = {}
        if wanted is None:
            return found
        for raw, value in headers:
            name = raw.decode("latin-1").lower()
            if wanted.fullmatch(name):
                hidden = name in self._secret or (self._hidden is not None and self._hidden.search(name))
                text = _HIDDEN if hidden else value.decode("latin-1")
                found[prefix + name] = (*found.get(prefix + name, ()), text)
        return found


def _listed(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    parts = []
    for name in names:
        try:
            re.compile(name)
            parts.append(f"(?:{name})")
        except re.error:
            note(f"{name!r} is no regular expression; it is taken as the name of a header")
            parts.append(re.escape(name))
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
