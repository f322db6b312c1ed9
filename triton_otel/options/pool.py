"""Settings of a pool of connections."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from triton_otel.errors import ConfigError
from triton_otel.options.durations import Duration, format_duration, parse_duration
from triton_otel.options.table import options_of

__all__ = ["ConnectionPoolConfig"]

_BY_FIELD = {option.field: option for option in options_of("pool")}


@dataclass(frozen=True, init=False, repr=False)
class ConnectionPoolConfig:
    """Settings of a pool; frozen, hashable, and equal when they mean the same, however the times were spelled.

    A field that is None is unset; :meth:`resolve` fills it.  Times are seconds, a ``timedelta`` or text (``"5 min"``,
    ``"300000 ms"``, ``"PT5M"``); the fields hold seconds.

    Parameters:
        max_idle: Most idle connections that are kept open, at least 0.  Default 20, or *max_total* if that is less.
        keep_alive: How long an idle connection is kept open.  Default 5 min.
        max_total: Most connections, idle and active, at least 1.  Default 100.
        connection_timeout: Time to open one connection, less than the client's timeout.  Default 10 s, or half of the
            client's timeout if that is less.
        reuse: Whether a connection serves more than one request.  Default True.
        monitoring: Whether the pool's numbers go to the log periodically.  Default False.
        stats_interval: Time between two such log lines.  Default 30 s.
        max_lifetime: How long a connection may live.  Default unset: no limit.
        queue_timeout: How long a request may queue for a connection.  Default unset: the rest of its deadline.
        max_queued: Most requests that may queue, at least 0.  Default unset: no limit.
        warm_up: Connections to open to the endpoint in the background when its first client is made, at least 0; no
            more than *max_idle* are.  Default 0.

    Raises:
        ConfigError: A value is outside its range, or *max_idle* is greater than *max_total*.
    """

    max_idle: int | None
    keep_alive: float | None
    max_total: int | None
    connection_timeout: float | None
    reuse: bool | None
    monitoring: bool | None
    stats_interval: float | None
    max_lifetime: float | None
    queue_timeout: float | None
    max_queued: int | None
    warm_up: int | None

    def __init__(
        self,
        *,
        max_idle: int | None = None,
        keep_alive: Duration | None = None,
        max_total: int | None = None,
        connection_timeout: Duration | None = None,
        reuse: bool | None = None,
        monitoring: bool | None = None,
        stats_interval: Duration | None = None,
        max_lifetime: Duration | None = None,
        queue_timeout: Duration | None = None,
        max_queued: int | None = None,
        warm_up: int | None = None,
    ) -> None:
        given = {
            "max_idle": max_idle,
            "keep_alive": keep_alive,
            "max_total": max_total,
            "connection_timeout": connection_timeout,
            "reuse": reuse,
            "monitoring": monitoring,
            "stats_interval": stats_interval,
            "max_lifetime": max_lifetime,
            "queue_timeout": queue_timeout,
            "max_queued": max_queued,
            "warm_up": warm_up,
        }
        for name, value in given.items():
            object.__setattr__(self, name, None if value is None else _BY_FIELD[name].read(value, name))
        if self.max_idle is not None and self.max_total is not None:
            _check_idle(self.max_idle, self.max_total, "")

    def resolve(self, timeout: float) -> ConnectionPoolConfig:
        """Return the same settings with every unset field filled in.

        Defaults give way to what was set: ``connection_timeout`` becomes at most half of *timeout*, ``max_idle`` at
        most ``max_total``.  So a default and the same value spelled out are equal afterwards.  ``max_lifetime``,
        ``queue_timeout`` and ``max_queued`` stay None where they are unset, which means no limit of their own.

        Parameters:
            timeout: The client's timeout in seconds.

        Raises:
            ConfigError: A set ``connection_timeout`` is not less than *timeout*, or a set ``max_idle`` is greater than
                the ``max_total`` that results.
        """
        deadline = parse_duration(timeout, name="timeout")
        values: dict[str, Any] = {}
        for name, option in _BY_FIELD.items():
            own = getattr(self, name)
            values[name] = option.default_value if own is None else own
        if self.max_idle is None:
            values["max_idle"] = min(values["max_idle"], values["max_total"])
        else:
            _check_idle(self.max_idle, values["max_total"], " by default" if self.max_total is None else "")
        if self.connection_timeout is None:
            values["connection_timeout"] = min(values["connection_timeout"], deadline / 2)
        elif self.connection_timeout >= deadline:
            raise ConfigError(
                f"connection-timeout is {format_duration(self.connection_timeout)} but must be less than timeout, "
                f"which is {format_duration(deadline)}; for example {format_duration(deadline / 2)} is valid"
            )
        return ConnectionPoolConfig(**values)

    def __repr__(self) -> str:
        shown = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown if value is not None)})"


def _check_idle(max_idle: int, max_total: int, how: str) -> None:
    if max_idle > max_total:
        raise ConfigError(
            f"connection-pool-max-idle (max_idle) is {max_idle} but can be at most connection-pool-max-total "
            f"(max_total), which is {max_total}{how}; "
            f"use at most {max_total}, or raise connection-pool-max-total to {max_idle}"
        )
