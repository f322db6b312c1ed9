"""One HTTP request to a server that keeps numbers, with errors that say what to do."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line, without_credentials

__all__ = ["checked", "fetch", "fetch_json"]

_TIMEOUT = 15.0
_MOST = 256 * 1024 * 1024


def checked(url: str) -> str:
    """Return a URL without a slash at its end.

    Raises:
        ValueError: It is none of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{one_line(url)!r} is no address; write for example http://localhost:9090")
    if parts.port == 0 or parts.username is not None:
        raise ValueError(f"{without_credentials(url)!r}: a user name, a password and port 0 are not taken")
    return url.rstrip("/")


def fetch(url: str, body: bytes | None = None) -> bytes:
    """Return what a server answers.

    Parameters:
        url: Where.
        body: What is posted, as a form; ``None`` asks with GET.

    Raises:
        CliError: No answer, an answer that is an error, or one that is too large.
    """
    place = without_credentials(url)
    # No proxy: the other commands take none from the environment either.
    opener = build_opener(ProxyHandler({}))
    request = Request(url, data=body, headers={"Accept": "*/*"})  # noqa: S310 - checked to be HTTP
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            data: bytes = answer.read(_MOST + 1)
            if answer.length and len(data) <= _MOST:
                raise http.client.IncompleteRead(data, answer.length)
    except HTTPError as error:
        with error:
            said = _message(error.read(4096))
        raise CliError(f"{place} answered with HTTP {error.code}{': ' + said if said else ''}") from error
    except URLError as error:
        raise CliError(f"{place} cannot be reached: {one_line(error.reason)}") from error
    except (OSError, http.client.HTTPException) as error:
        raise CliError(f"{place} did not answer to the end: {one_line(error) or type(error).__name__}") from error
    if len(data) > _MOST:
        raise CliError(f"the answer of {place} is larger than {_MOST // 1024**2} MiB; ask for a shorter time")
    return data


def fetch_json(url: str, body: bytes | None = None) -> Any:
    """Return what a server answers, which is to be JSON; see :func:`fetch`.

    Raises:
        CliError: As there, or it is no JSON.
    """
    data = fetch(url, body)
    try:
        return json.loads(data)
    except ValueError as error:
        raise CliError(f"the answer of {without_credentials(url)} is no JSON; is that the right address?") from error


def _message(data: bytes) -> str:
    """Return what an error's body says, as far as it is text."""
    text = data.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except ValueError:
        return "" if "<" in text else one_line(text)
    return one_line(told.get("error", "")) if isinstance(told, dict) else ""
