"""The instruments of level ``full``: connections by place, requests under way, uses, lives and sizes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import METRICS
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter

    from triton_otel.telemetry.metrics import Attributes

__all__ = ["ActiveRequests", "FullInstruments", "Places", "made"]

Places = dict[tuple[str, int], tuple[int, int]]
"""Host and port to the numbers of idle and of active connections."""


def made(meter: Meter, name: str) -> Histogram:
    """Return the histogram that the catalogue has under a name."""
    metric = METRICS[name]
    return meter.create_histogram(
        name, unit=metric.unit, description=metric.text, explicit_bucket_boundaries_advisory=metric.buckets
    )


class ActiveRequests:
    """How many requests of one client have begun and not ended, by method.

    Parameters:
        host: Host of the client's endpoint.
        port: Its port.
    """

    __slots__ = ("__weakref__", "_counts", "_lock", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def begin(self, method: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[method] = self._counts.get(method, 0) + 1

    def end(self, method: str) -> None:
        """Count one less."""
        with self._lock:
            # A request that forks has begun in the parent only.
            self._counts[method] = max(0, self._counts.get(method, 0) - 1)

    def counts(self) -> dict[str, int]:
        """Return the numbers of this moment."""
        with self._lock:
            return dict(self._counts)

    def forked(self) -> None:
        """Start over in a forked child, in which the parent's requests do not run."""
        self._lock = threading.Lock()
        self._counts = {}


class FullInstruments:
    """The instruments of one meter, and the clients whose requests they count.

    Parameters:
        meter: Where they are registered.
        places: Returns the connections of this collection by place.
        sources: Returns the sets whose clients count here: this one, and one whose own callbacks are not heard.
    """

    def __init__(
        self, meter: Meter, places: Callable[[], Places], sources: Callable[[], Iterable[FullInstruments]]
    ) -> None:
        self._places = places
        self._sources = sources
        self._write = threading.RLock()
        self._clients: tuple[weakref.ref[ActiveRequests], ...] = ()
        callbacks = ((names.OPEN_CONNECTIONS, self._open), (names.ACTIVE_REQUESTS, self._active))
        for name, callback in callbacks:
            metric = METRICS[name]
            meter.create_observable_up_down_counter(name, [callback], unit=metric.unit, description=metric.text)
        self.use_time = made(meter, names.CONNECTIONS_USE_TIME)
        self.connection_duration = made(meter, names.CONNECTION_DURATION)
        self._request_body_size = made(meter, names.REQUEST_BODY_SIZE)
        self._response_body_size = made(meter, names.RESPONSE_BODY_SIZE)

    def add(self, client: ActiveRequests) -> None:
        """Count a client's requests from now on; it is held weakly."""
        with self._write:
            self._clients = (*(ref for ref in self._clients if ref() is not None), weakref.ref(client))

    def discard(self, client: ActiveRequests) -> None:
        """Count a client's requests no more; an unknown one is no error."""
        with self._write:
            self._clients = tuple(ref for ref in self._clients if ref() not in (None, client))

    def record_sizes(self, sent: int | None, received: int | None, attributes: Attributes, context: Context) -> None:
        """Record the sizes of a request's bodies; never raises.

        Parameters:
            sent: Bytes of the request's body; ``None`` where it has none.
            received: Bytes of the answer's; ``None`` where there was no answer.
            attributes: The series, as of the duration.
            context: The span's context, for exemplars.
        """
        try:
            # As numbers with a fraction, for which there is a short way.
            if sent is not None:
                self._request_body_size.record(float(sent), attributes, context=context)
            if received is not None:
                self._response_body_size.record(float(received), attributes, context=context)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("the size of a body could not be recorded")

    def forked(self) -> None:
        """Start over in a forked child."""
        self._write = threading.RLock()
        for ref in self._clients:
            client = ref()
            if client is not None:
                client.forked()

    def _open(self, _options: CallbackOptions) -> list[Observation]:
        rows = []
        for (host, port), numbers in self._places().items():
            for state, number in zip(("idle", "active"), numbers, strict=True):
                rows.append(
                    Observation(
                        number,
                        {names.SERVER_ADDRESS: host, names.SERVER_PORT: port, names.CONNECTION_STATE: state},
                    )
                )
        return rows

    def _active(self, _options: CallbackOptions) -> list[Observation]:
        sums: dict[tuple[str, int, str], int] = {}
        for source in self._sources():
            for ref in source._clients:
                client = ref()
                for method, count in () if client is None else client.counts().items():
                    assert client is not None
                    key = (client.host, client.port, method)
                    sums[key] = sums.get(key, 0) + count
        return [
            Observation(count, {names.SERVER_ADDRESS: host, names.SERVER_PORT: port, names.HTTP_REQUEST_METHOD: method})
            for (host, port, method), count in sums.items()
        ]
