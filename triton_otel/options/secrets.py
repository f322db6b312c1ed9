"""Values that must never be shown: wrapped so that every ordinary way of printing or dumping misses them."""

from __future__ import annotations

from collections.abc import Iterable

from triton_otel.errors import ConfigError
from triton_otel.options.values import article

__all__ = ["Credentials", "Secret", "read_secret"]


class Secret:
    """A text that no ``repr``, ``str``, ``format``, ``vars`` or dump of a dataclass shows.

    Equal and of equal hash when the texts are equal.  It may be called, so that it can be given as it is where a
    password callback is expected (``ssl.SSLContext.load_cert_chain``).

    Parameters:
        value: The text to keep.
    """

    __slots__ = ("_value",)

    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def __call__(self) -> str:
        """Return the text, as a password callback does."""
        return self._value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Secret, (self._value,)


class Credentials:
    """What a client sends to say who it is: token and headers, as one value that shows neither.

    Parameters:
        auth_token: Token for ``Authorization: Bearer``, or None.
        headers: Further headers as pairs of name and value, already checked.
    """

    __slots__ = ("_auth_token", "_headers")

    _auth_token: Secret | None
    _headers: tuple[tuple[str, str], ...]

    def __init__(self, auth_token: Secret | None = None, headers: Iterable[tuple[str, str]] = ()) -> None:
        object.__setattr__(self, "_auth_token", auth_token)
        object.__setattr__(self, "_headers", tuple(headers))

    @property
    def auth_token(self) -> str | None:
        """The token in clear, or None."""
        return None if self._auth_token is None else self._auth_token.reveal()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers in clear."""
        return self._headers

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return (self._auth_token, self._headers) == (other._auth_token, other._headers)

    def __hash__(self) -> int:
        return hash((self._auth_token, self._headers))

    def __repr__(self) -> str:
        token = "unset" if self._auth_token is None else "***"
        return f"Credentials(auth_token={token}, headers={len(self._headers)} hidden)"

    def __copy__(self) -> Credentials:
        return self

    def __deepcopy__(self, memo: object) -> Credentials:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Credentials, (self._auth_token, self._headers)


def read_secret(value: object, place: str, *, ascii_only: bool) -> Secret:
    """Return text as a :class:`Secret`; the value is in no error.

    Parameters:
        value: The text, or a :class:`Secret`.
        place: Name of the option or argument, for the error.
        ascii_only: Whether it travels in a header: then only visible ASCII characters and single blanks inside.
    """
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str):
        raise ConfigError(f"{place}: {article(text)} is not text (its value is not shown)")
    if not text:
        raise ConfigError(f"{place}: is empty; leave it out to have none")
    if ascii_only:
        if text != text.strip():
            raise ConfigError(f"{place}: has blanks or a line end around it (its value is not shown)")
        for position, character in enumerate(text, start=1):
            if not " " <= character <= "~":
                raise ConfigError(
                    f"{place}: character {position} is {character!a}; only visible ASCII characters can be sent "
                    "in a header (its value is not shown)"
                )
    return Secret(text)
