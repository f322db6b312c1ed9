"""Durations of our scope recorded without cleaning and sorting their attributes each time.

Half the time of recording a duration goes into the attributes: each is cleaned, and all are sorted into a key that
finds the series.  Ours need no cleaning, and the few sets of them that there are keep their key.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from triton_otel.telemetry import names
from triton_otel.telemetry.clean import Clean, needs_no_cleaning
from triton_otel.telemetry.quickrecord import QuickRecord
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.swapping import UnknownShapeError, adoptable, swapped

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider

__all__ = ["quick_meter_provider", "quick_record"]

_MAX_KEPT = 4096


def quick_meter_provider(**settings: Any) -> MeterProvider:
    """Return a meter provider with quick durations for our scope; a plain one where the SDK is not as expected.

    Parameters:
        settings: Arguments of the SDK's ``MeterProvider``.
    """
    from opentelemetry.sdk.metrics import MeterProvider

    try:
        quick = _Quick()
        _prove(quick.provider)
    except Exception:  # noqa: BLE001 - the SDK's way always works
        note("durations are recorded in the SDK's own way, which is slower")
        return MeterProvider(**settings)
    return quick.provider(**settings)


def quick_record(histogram: Any) -> Callable[..., None] | None:
    """Return a quick way to record into a histogram that somebody else's provider made; ``None`` where there is none.

    Parameters:
        histogram: A histogram of our scope.  It stays as it is.

    Raises:
        ConfigError: The variable that switches this off says something else.
    """
    if not adoptable(histogram, "opentelemetry.sdk.metrics._internal.instrument", "_Histogram", "record"):
        return None
    key_of = _known_key_of()
    return None if key_of is None else QuickRecord(histogram, histogram.record, key_of)


@functools.cache
def _known_key_of() -> Callable[[Any], Any] | None:
    """Return what makes the keys of series, where going straight to them was seen to do the same."""
    from opentelemetry.sdk.metrics import MeterProvider

    try:
        from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes

        _prove(MeterProvider, lambda histogram: QuickRecord(histogram, histogram.record, _hash_attributes))
    except Exception:  # noqa: BLE001 - the SDK's way always works
        note("durations are recorded in the SDK's own way, which is slower")
        return None
    key_of: Callable[[Any], Any] = _hash_attributes
    return key_of


class _Keys:
    """Keeps what a function makes of a set of attributes."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._kept: dict[Any, Any] = {}

    def __call__(self, attributes: dict[str, Any]) -> Any:
        # With the types: True, 1 and 1.0 are equal, the series are not the same.
        known = (tuple(attributes.items()), tuple(map(type, attributes.values())))
        try:
            key = self._kept.get(known)
        except TypeError:
            return self._make(attributes)
        if key is None:
            key = self._make(attributes)
            # What is in a sequence has types too.
            if needs_no_cleaning(attributes):
                if len(self._kept) >= _MAX_KEPT:
                    self._kept.clear()
                self._kept[known] = key
        return key


class _Quick:
    """The SDK's parts with some of their parts replaced.

    Raises:
        UnknownShapeError, AttributeError, ImportError: The SDK has other parts.
    """

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics._internal import _view_instrument_match as matching
        from opentelemetry.sdk.metrics._internal.instrument import _Histogram
        from opentelemetry.sdk.metrics._internal.measurement import Measurement
        from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage

        class Match(matching._ViewInstrumentMatch):
            consume_measurement = swapped(
                matching._ViewInstrumentMatch.consume_measurement, _hash_attributes=_Keys(matching._hash_attributes)
            )

        class Quick(Measurement):
            def __init__(
                self, value: Any, time_unix_nano: int, instrument: Any, context: Any, attributes: Any = None
            ) -> None:
                if not isinstance(attributes, dict) or not needs_no_cleaning(attributes):
                    super().__init__(value, time_unix_nano, instrument, context, attributes)
                    return
                # The class is frozen: its own way sets each field through object's.
                fields = self.__dict__
                fields["value"] = value
                fields["time_unix_nano"] = time_unix_nano
                fields["instrument"] = instrument
                fields["context"] = context
                fields["attributes"] = attributes

        self._key_of = matching._hash_attributes
        self._base = MeterProvider
        self._histogram = _Histogram
        self._record = swapped(_Histogram.record, Measurement=Quick)
        self._plain_match = MetricReaderStorage._new_view_instrument_match
        self._quick_match = swapped(self._plain_match, _ViewInstrumentMatch=Match)

    def provider(self, **settings: Any) -> MeterProvider:
        """Return a provider.

        Parameters:
            settings: Arguments of the SDK's ``MeterProvider``.
        """
        quick = self

        class Provider(self._base):  # type: ignore[name-defined, misc]
            def get_meter(self, *args: Any, **kwargs: Any) -> Any:
                meter = super().get_meter(*args, **kwargs)
                name = args[0] if args else kwargs.get("name")
                if name == names.SCOPE:
                    meter.create_histogram = types.MethodType(quick.create_histogram, meter)
                return meter

        provider: Any = Provider(**settings)
        for storage in provider._measurement_consumer._reader_storages.values():
            storage._new_view_instrument_match = types.MethodType(self.new_match, storage)
        made: MeterProvider = provider
        return made

    def create_histogram(self, meter: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a histogram of a meter, with our way to record if it has the SDK's."""
        histogram = type(meter).create_histogram(meter, *args, **kwargs)
        if getattr(type(histogram), "record", None) is self._histogram.record:
            histogram.record = QuickRecord(histogram, types.MethodType(self._record, histogram), self._key_of)
        return histogram

    def new_match(self, storage: Any, view: Any, instrument: Any) -> Any:
        """Return what finds the series of a measurement for one reader."""
        ours = instrument.instrumentation_scope.name == names.SCOPE
        return (self._quick_match if ours else self._plain_match)(storage, view, instrument)


def _prove(quick: Callable[..., Any], record_of: Callable[[Any], Any] = attrgetter("record")) -> None:
    """Record the same in both ways and compare.

    Parameters:
        quick: What makes the provider of our way.
        record_of: What records into one of its histograms.

    Raises:
        UnknownShapeError: The series differ.
    """
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
    from opentelemetry.sdk.resources import Resource

    delta: dict[type, AggregationTemporality] = {Histogram: AggregationTemporality.DELTA}
    sampled = SpanContext(5, 6, False, TraceFlags(1))
    contexts = [Context(), set_span_in_context(NonRecordingSpan(sampled), Context())]
    plain: tuple[Any, ...] = ({"a": "x", "b": 1}, {"b": 1, "a": "x"}, {"a": "x", "b": True}, {"c": ("y",)}, {})
    known = Clean({"a": "x", "b": 1})
    seen: list[Any] = []
    for make, way in ((MeterProvider, attrgetter("record")), (quick, record_of)):
        readers = [InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=delta)]
        provider = make(metric_readers=readers, resource=Resource({}), shutdown_on_exit=False)
        record = way(provider.get_meter(names.SCOPE).create_histogram("sample"))
        told = []
        for _ in range(2):
            for attributes in (*plain, known, known, known):
                for context in contexts:
                    record(0.25 if context else 7.5, attributes, context)
            told += [_points(reader.get_metrics_data()) for reader in readers]
        provider.shutdown()
        seen.append(told)
    if seen[0] != seen[1]:
        raise UnknownShapeError(f"{seen[0]} became {seen[1]}")


def _points(data: Any) -> list[Any]:
    """Return what was recorded as values that can be compared."""
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    return [
        (
            dict(point.attributes),
            (point.count, point.sum, point.min, point.max, point.bucket_counts),
            [(one.value, one.span_id, one.trace_id, one.filtered_attributes) for one in point.exemplars],
        )
        for point in metric.data.data_points
    ]
