"""The stand-ins that OpenTelemetry's API hands out before an application has set up an SDK, and how to ask one for it.

A stand-in takes all that it is given, and asks for each span and each measurement anew whether there is a provider by
now.  A request that sees beforehand that there is none leaves both away.  What is looked at are the API's own private
fields: where one is missing nothing is a stand-in, and everything goes its usual way.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

__all__ = ["StandIns"]


class StandIns:
    """What one client's spans and durations go to as long as nobody has set up anything.

    Parameters:
        tracer: Its tracer; ``None`` where it has no spans.
        histogram: Its histogram of durations; ``None`` where it has no durations.
    """

    __slots__ = ("_histogram", "_mute", "_no_spans", "_tracer")

    def __init__(self, tracer: Any, histogram: Any) -> None:
        self._no_spans = tracer is None
        known = type(tracer) is getattr(trace, "ProxyTracer", None) and hasattr(trace, "_TRACER_PROVIDER")
        self._tracer = tracer if known and getattr(tracer, "_real_tracer", tracer) is None else None
        self._mute = histogram is None
        self._histogram = histogram if getattr(histogram, "_real_instrument", histogram) is None else None

    def no_spans(self) -> bool:
        """Tell whether a span that is no other's child would be of no use now."""
        tracer = self._tracer
        if tracer is None:
            return self._no_spans
        return tracer._real_tracer is None and trace._TRACER_PROVIDER is None

    def no_durations(self) -> bool:
        """Tell whether a duration would go nowhere now."""
        histogram = self._histogram
        if histogram is None:
            return self._mute
        return histogram._real_instrument is None
