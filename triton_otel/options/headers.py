"""Headers that a caller may add: checked so that none can break out of its line or fight with the client's own."""

from __future__ import annotations

from collections.abc import Mapping

from triton_otel.errors import ConfigError
from triton_otel.options.values import article

__all__ = ["check_header", "parse_headers"]

# RFC 9110 section 5.6.2.
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_FRAMING = "it frames the message, and the client writes it itself"
_HOP = "it belongs to the connection, which the pool shares among requests"
_BODY = "it describes the body, which the client builds"

_REFUSED: dict[str, str] = {
    "host": "it is taken from the endpoint",
    "content-length": _FRAMING,
    "transfer-encoding": _FRAMING,
    "trailer": _FRAMING,
    "expect": _FRAMING,
    "connection": _HOP,
    "keep-alive": _HOP,
    "proxy-connection": _HOP,
    "proxy-authorization": _HOP,
    "te": _HOP,
    "upgrade": _HOP,
    "http2-settings": _HOP,
    "content-type": _BODY,
    "content-encoding": _BODY,
    "inference-header-content-length": _BODY,
    "accept-encoding": "the client asks only for encodings that it can decode",
}


def check_header(name: str, value: str, *, option: str) -> None:
    """Refuse a header that cannot or must not be sent.

    A name is a token of RFC 9110; a value is visible ASCII with blanks and tabs inside, so it can be encoded as ASCII.
    The headers that frame the message or belong to the connection are the client's own.

    Parameters:
        name: The header's name.
        value: The header's value.  It is never in an error.
        option: Name of the option or argument that it came with, for the error.

    Raises:
        ConfigError: The header is refused; the text says why.
    """
    place = f"{option}: a header" if _name_problem(name) else f"{option}: header {name[:60]!r}"
    _refuse(name, value, place)


def _refuse(name: str, value: str, place: str) -> None:
    problem = _name_problem(name)
    if problem:
        raise ConfigError(f"{place}: its name {problem}")
    if name.lower() in _REFUSED:
        raise ConfigError(f"{place}: {name!r} cannot be set, {_REFUSED[name.lower()]}")
    problem = _value_problem(value)
    if problem:
        raise ConfigError(f"{place}: its value {problem}")


def _name_problem(name: object) -> str | None:
    # The name is not repeated: a whole "Name: value" put where the name belongs would show the value.
    if not isinstance(name, str):
        return f"must be text, not {article(name)}"
    if not name:
        return "is empty"
    for position, character in enumerate(name, start=1):
        if character not in _TOKEN:
            return (
                f"has {character!a} as character {position}; letters, digits and !#$%&'*+-.^_`|~ are valid "
                "(the name is not shown)"
            )
    return None


def _value_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {article(value)} (it is not shown)"
    for position, character in enumerate(value, start=1):
        if character != "\t" and not " " <= character <= "~":
            return (
                f"has {character!a} as character {position}; visible ASCII characters, blanks and tabs are valid "
                "(the value is not shown)"
            )
    if value != value.strip(" \t"):
        return "has blanks around it (it is not shown)"
    return None


def parse_headers(value: object, *, name: str) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs from a mapping or from the text ``Name:value,Name:value``.

    In the text form a comma always ends a header and the first colon ends its name, so a value with a comma needs the
    mapping.  Blanks around names and values are dropped in both forms.

    Parameters:
        value: The mapping or the text.
        name: Name of the option or argument, for the error.

    Raises:
        ConfigError: A header is malformed, refused (see :func:`check_header`) or given twice.
    """
    if isinstance(value, str):
        pairs = _split(value, name)
    elif isinstance(value, Mapping):
        pairs = [
            (key, item.strip(" \t") if isinstance(item, str) else item, f"{name}: header {number}")
            for number, (key, item) in enumerate(value.items(), start=1)
        ]
    else:
        raise ConfigError(f'{name}: {article(value)} is neither a mapping nor text such as "Name:value,Name:value"')
    seen: set[str] = set()
    for key, item, place in pairs:
        # By number, not by name: what looks like a name may be the rest of a value that had a comma in it.
        _refuse(key, item, place)
        if key.lower() in seen:
            raise ConfigError(f"{place} has the name of an earlier one; a header may be given once")
        seen.add(key.lower())
    return tuple((key, item) for key, item, _ in pairs)


def _split(text: str, name: str) -> list[tuple[str, str, str]]:
    if not text.strip():
        raise ConfigError(f"{name}: is empty; leave it out to have no headers")
    pairs = []
    for number, part in enumerate(text.split(","), start=1):
        key, colon, item = part.partition(":")
        if not colon:
            raise ConfigError(
                f"{name}: header {number} has no colon; write Name:value,Name:value, and a value with a comma in the "
                "form of a mapping (values are not shown)"
            )
        pairs.append((key.strip(" \t"), item.strip(" \t"), f"{name}: header {number}"))
    return pairs
