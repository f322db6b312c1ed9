"""What a pool's observer records: the durations of waits, connects, uses and lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import get_current

from triton_otel.telemetry import names
from triton_otel.telemetry.clean import clean
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from triton_otel.telemetry.metrics import Attributes, Instruments

__all__ = ["FullPoolMetrics", "PoolMetrics"]


class PoolMetrics:
    """Records the durations of one pool: what ``pool.observer`` expects.

    Parameters:
        owner: The instruments.
        name: Value of ``triton.client.pool.name``.
    """

    __slots__ = ("_create_time", "_name", "_owner", "_wait_time", "_waits")

    def __init__(self, owner: Instruments, name: str) -> None:
        # Held so that an explicit provider's instruments are not made a second time while the pool lives.
        self._owner = owner
        self._name = name
        self._wait_time = owner.wait_time
        self._create_time = owner.create_time
        self._waits: dict[str | None, Attributes] = {None: {names.POOL_NAME: name}}

    def waited(self, seconds: float, error_type: str | None) -> None:
        """Record the wait of a request that had to queue; never raises.

        Parameters:
            seconds: From entering the queue to the lease or to giving up.
            error_type: Why the request got none; ``None`` when it did.
        """
        try:
            attributes = self._waits.get(error_type)
            if attributes is None:
                attributes = {names.POOL_NAME: self._name, names.ERROR_TYPE: str(error_type)}
                self._waits[error_type] = attributes
            self._wait_time.record(seconds, attributes)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("a wait could not be recorded")

    def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
        """Record an attempt to connect, finished or failed; never raises.

        Parameters:
            host: Host that was asked for.
            port: Its port.
            seconds: Name resolution, TCP and TLS together.
            error_type: Why it failed; ``None`` when it did not.
        """
        try:
            attributes: Attributes = {
                names.POOL_NAME: self._name,
                names.SERVER_ADDRESS: host,
                names.SERVER_PORT: port,
            }
            if error_type is not None:
                attributes[names.ERROR_TYPE] = error_type
            self._create_time.record(seconds, attributes)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("a connect could not be recorded")


class FullPoolMetrics(PoolMetrics):
    """Records also how long connections are used and how long they live: level ``full``."""

    __slots__ = ("_ended", "_use_time", "_used")

    def __init__(self, owner: Instruments, name: str) -> None:
        super().__init__(owner, name)
        self._use_time = owner.full.use_time
        self._ended = owner.full.connection_duration
        self._used = clean({names.POOL_NAME: name})

    def used(self, seconds: float) -> None:
        """Record a lease that has ended; never raises.

        Parameters:
            seconds: From the lease of the connection to its return.
        """
        try:
            # A context that is given goes the short way; it is the one that would be asked for.
            self._use_time.record(seconds, self._used, get_current())
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("a use could not be recorded")

    def ended(self, host: str, port: int, seconds: float, http_version: str) -> None:
        """Record a connection that has ended; never raises.

        Parameters:
            host: Host that it led to.
            port: Its port.
            seconds: From its opening on.
            http_version: As ``network.protocol.version`` has it.
        """
        try:
            attributes: Attributes = {
                names.SERVER_ADDRESS: host,
                names.SERVER_PORT: port,
                names.NETWORK_PROTOCOL_VERSION: http_version,
            }
            self._ended.record(seconds, attributes)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("the end of a connection could not be recorded")
