"""A histogram's ``record`` that goes straight to the series, once it is known which those are.

The SDK makes a measurement, asks the exemplar filter, and has each reader look up its views and in each of them the
series.  For attributes that are the same object each time all of that has the same result until the readers change.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import SpanContext, get_current_span, propagation

from triton_otel.telemetry.clean import Clean

__all__ = ["QuickRecord"]

_MAX_KEPT = 1024
_SPAN_KEY = getattr(propagation, "_SPAN_KEY", "")


class _Series:
    """Where the measurements with some attributes go."""

    __slots__ = ("aggregations", "attributes", "readers")

    def __init__(self, attributes: Clean, readers: Any, aggregations: tuple[Any, ...]) -> None:
        # Held, so that nothing else can get its id.
        self.attributes = attributes
        self.readers = readers
        self.aggregations = aggregations


class QuickRecord:
    """Records into one histogram of the SDK's.

    Parameters:
        histogram: The histogram.
        record: Its own way to record, for whatever is not simple.
        key_of: The SDK's function from attributes to the key of a series.

    Raises:
        AttributeError, ImportError: The SDK has other parts.
    """

    def __init__(self, histogram: Any, record: Callable[..., None], key_of: Callable[[Any], Any]) -> None:
        from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, TraceBasedExemplarFilter

        self._histogram = histogram
        self._record = record
        self._key_of = key_of
        self._consumer = histogram._measurement_consumer
        self._kept: dict[int, _Series] = {}
        kind = type(self._consumer._sdk_config.exemplar_filter)
        self._known_filter = kind in (AlwaysOffExemplarFilter, TraceBasedExemplarFilter)
        self._by_trace = kind is TraceBasedExemplarFilter

    def __call__(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Record ``amount``; as the SDK's ``record``."""
        series = self._kept.get(id(attributes))
        if (
            series is None
            or series.readers is not self._consumer._reader_storages
            or context is None
            or type(amount) is not float
            or not 0.0 <= amount < float("inf")
            or not self._histogram._is_enabled()
        ):
            self._record(amount, attributes, context)
            if type(attributes) is Clean and self._known_filter and self._histogram._is_enabled():
                self._learn(attributes)
            return
        offered = None
        if self._by_trace and context:
            # The key is private to the API; to ask it takes longer than all the rest.
            span_context = getattr(context.get(_SPAN_KEY), "_context", None)
            if type(span_context) is not SpanContext:
                span_context = get_current_span(context).get_span_context()
            if span_context.trace_flags & 1:
                offered = (time.time_ns(), span_context)
        for aggregation in series.aggregations:
            _aggregate(aggregation, amount)
            if offered is not None:
                _offer(aggregation, amount, series.attributes, *offered)

    def _learn(self, attributes: Clean) -> None:
        """Find the series that the SDK has just recorded into, and keep them."""
        readers = self._consumer._reader_storages
        aggregations: list[Any] = []
        for storage in readers.values():
            for match in storage._get_or_init_view_instrument_match(self._histogram):
                wanted = match._view._attribute_keys
                seen = attributes if wanted is None else {k: v for k, v in attributes.items() if k in wanted}
                aggregation = match._attributes_aggregation.get(self._key_of(seen))
                # One that is dropped has nothing to record into; one over the limit of series, and one that begins anew
                # with each collection, are the SDK's to find.
                if match._reset_on_collect or not _is_plain(aggregation):
                    return
                aggregations.append(aggregation)
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[id(attributes)] = _Series(attributes, readers, tuple(aggregations))


def _is_plain(aggregation: Any) -> bool:
    from opentelemetry.sdk.metrics import AlignedHistogramBucketExemplarReservoir
    from opentelemetry.sdk.metrics._internal.aggregation import _ExplicitBucketHistogramAggregation

    return (
        type(aggregation) is _ExplicitBucketHistogramAggregation
        and type(aggregation._reservoir) is AlignedHistogramBucketExemplarReservoir
        and aggregation._reservoir._boundaries == aggregation._boundaries
    )


def _aggregate(aggregation: Any, amount: float) -> None:
    """Do what ``aggregate`` of a histogram with buckets does, without the exemplar."""
    place = bisect_left(aggregation._boundaries, amount)
    with aggregation._lock:
        counts = aggregation._value
        if counts is None:
            counts = aggregation._value = aggregation._get_empty_bucket_counts()
        counts[place] += 1
        aggregation._sum += amount
        if aggregation._record_min_max:
            if amount < aggregation._min:
                aggregation._min = amount
            if amount > aggregation._max:
                aggregation._max = amount


def _offer(aggregation: Any, amount: float, attributes: Clean, time_ns: int, span_context: Any) -> None:
    """Do what ``offer`` of a reservoir with buckets does."""
    reservoir = aggregation._reservoir
    place = bisect_left(aggregation._boundaries, amount)
    with reservoir._lock:
        # Its names are private to the class.
        vars(reservoir._reservoir_storage[place]).update(
            _ExemplarBucket__value=amount,
            _ExemplarBucket__time_unix_nano=time_ns,
            _ExemplarBucket__attributes=attributes,
            _ExemplarBucket__span_id=span_context.span_id,
            _ExemplarBucket__trace_id=span_context.trace_id,
            _ExemplarBucket__offered=True,
        )
