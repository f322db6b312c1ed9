"""One option: how it is called everywhere, what it accepts and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Group", "Kind", "Option", "Section"]

Section = Literal["basic", "advanced"]
Group = Literal["client", "pool", "tls", "telemetry"]


@dataclass(frozen=True)
class Kind:
    """A type of value.

    Parameters:
        name: What the documentation calls it.
        valid: What is valid, in words.
        read: Turns a value and the name of the place it came from into the normalised value, or raises ``ConfigError``.
    """

    name: str
    valid: str
    read: Callable[[object, str], Any] = field(repr=False)


@dataclass(frozen=True)
class Option:
    """One row of the option table.

    Parameters:
        key: Name in ``from_options``, in Flink's style.
        field: Name of the field in its group's configuration class, empty when it is only checked.
        kind: What values it accepts.
        section: ``basic`` or ``advanced``, the sections of the documentation.
        text: What it does, in one or two sentences.
        group: The configuration class that the field belongs to.
        default: The default as a user would write it, or None when it is unset by default.
        default_note: What the documentation says about the default beside or instead of its value.
        also: What is valid beside the kind's range, in words; checked where the fields meet.
        required: Whether there is no client without it.
        secret: Whether its value is never shown.
        since: The version that it came with.
        fallback_keys: Other keys that are read when *key* is not given.
    """

    key: str
    field: str
    kind: Kind
    section: Section
    text: str
    group: Group = "client"
    default: object = None
    default_note: str = ""
    also: str = ""
    required: bool = False
    secret: bool = False
    since: str = "0.1.0"
    fallback_keys: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """Name of the environment variable that is read when the option is not given."""
        return "TRITON_OTEL_" + self.key.upper().replace("-", "_").replace(".", "_")

    @property
    def argument(self) -> str | None:
        """The client's keyword argument, or None for the pool's fields and for what has no field."""
        if not self.field or self.group == "pool":
            return None
        return self.field if self.group == "client" else f"{self.group}_{self.field}"

    @property
    def keyword(self) -> str | None:
        """How a Python program spells it, for the documentation."""
        if self.group == "pool":
            return f"pool=ConnectionPoolConfig({self.field}=…)"
        return None if self.argument is None else f"{self.argument}=…"

    @property
    def valid(self) -> str:
        """What is valid, in words."""
        return f"{self.kind.valid}, {self.also}" if self.also else self.kind.valid

    @property
    def default_text(self) -> str:
        """The default, in words."""
        if self.required:
            return "required"
        if self.default is None:
            return self.default_note or "unset"
        text = str(self.default).lower() if isinstance(self.default, bool) else str(self.default)
        return f"{text} ({self.default_note})" if self.default_note else text

    @property
    def default_value(self) -> Any:
        """The default, normalised as a value of the user's would be."""
        return None if self.default is None else self.read(self.default, self.key)

    def read(self, value: object, place: str) -> Any:
        """Return *value* normalised.

        Parameters:
            value: What the user wrote.
            place: What the user calls the option where it was written: key, keyword or environment variable.

        Raises:
            ConfigError: The value is not valid.
        """
        return self.kind.read(value, place)
