"""What the rules of the advice look at, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_otel.errors import ConfigError

if TYPE_CHECKING:
    from triton_otel.advice.load import Load
    from triton_otel.options.pool import ConnectionPoolConfig

__all__ = ["Advice", "Case", "Server", "number", "seconds"]


@dataclass(frozen=True)
class Advice:
    """One option to change."""

    key: str
    """The option."""
    now: str | None
    """Its value, ``None`` where the source does not tell it."""
    to: str
    """The value to give it."""
    why: str
    """The reason, in a sentence or two with the numbers behind it."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """What is known of the other side.

    Parameters:
        instances: Copies of the model that work at the same time; ``None`` for not known.
        max_batch_size: Rows that one of them works on at once; 0 (no batching) counts as 1.
        processes: How many processes have a pool like this one.
        idle_timeout: Seconds after which the server, or what stands before it, closes an idle connection; ``None`` for
            not known.

    Raises:
        ConfigError: A number is out of its range.
    """

    instances: int | None = None
    max_batch_size: int = 1
    processes: int = 1
    idle_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.instances is not None and self.instances < 1:
            raise ConfigError(f"instances is {self.instances} but must be at least 1")
        if self.max_batch_size < 0:
            raise ConfigError(f"max_batch_size is {self.max_batch_size} but must be at least 0")
        if self.processes < 1:
            raise ConfigError(f"processes is {self.processes} but must be at least 1")
        if self.idle_timeout is not None and self.idle_timeout <= 0:
            raise ConfigError(f"idle_timeout is {self.idle_timeout:g} s but must be more than 0")

    @property
    def useful(self) -> int | None:
        """Connections of one process that the server has work for: 2 x instances x batch size over all processes."""
        if self.instances is None:
            return None
        return max(1, 2 * self.instances * max(1, self.max_batch_size) // self.processes)


@dataclass(frozen=True)
class Case:
    """Everything that a rule may look at."""

    load: Load
    options: ConnectionPoolConfig
    server: Server
    closed: Mapping[str, float] | None
    """Connections closed in the time, by reason."""
    open_errors: Mapping[str, float] | None
    """Failed attempts to open in the time, by ``error.type``."""
    opened: float | None
    resends: float | None
    timeouts: float | None
    new: float | None
    """Leases on new connections."""
    idle_reached: float
    """The highest gauge *idle*."""
    pause: float
    """The longest time, in seconds, between two moments with many connections in use."""
    exported: bool | None
    """Whether something collects the metrics; ``None`` for not known."""
    connect_p99: float | None
    """Seconds in which 99 of 100 connections were open; ``None`` for not known."""

    def often(self, events: float | None) -> bool:
        """Tell whether something happened to more than one request in a hundred, and not once by chance."""
        if events is None or events < 3:
            return False
        return self.load.requests is None or events >= 0.01 * self.load.requests

    def reason(self, name: str) -> float:
        """Return how many connections were closed for a reason."""
        return (self.closed or {}).get(name, 0.0)


def number(value: float) -> str:
    """Return a number as the sentences have it."""
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def seconds(value: float) -> str:
    """Return a time as the sentences have it."""
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} us"
