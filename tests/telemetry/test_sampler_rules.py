"""What a sampler of the SDK decides is worked out as it would decide; others are asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from triton_otel.telemetry.samplers import Rules

ON, OFF = sampling.ALWAYS_ON, sampling.ALWAYS_OFF
SAMPLERS = [
    ON,
    OFF,
    sampling.DEFAULT_ON,
    sampling.DEFAULT_OFF,
    sampling.TraceIdRatioBased(0.0),
    sampling.TraceIdRatioBased(0.3),
    sampling.TraceIdRatioBased(1.0),
    sampling.ParentBasedTraceIdRatio(0.5),
    sampling.ParentBased(OFF, ON, OFF, OFF, sampling.TraceIdRatioBased(0.5)),
    sampling.ParentBased(ON, OFF, ON, ON, ON),
]
IDS = st.integers(1, (1 << 128) - 1) | st.sampled_from([1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 3 << 62])


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description())
@given(trace_id=IDS, parent=st.none() | st.tuples(st.booleans(), st.integers(0, 3)))
def test_the_decision_is_the_samplers(sampler, trace_id, parent):
    span_context = None if parent is None else SpanContext(trace_id, 7, parent[0], TraceFlags(parent[1]))
    context = Context()
    if span_context is not None:
        context = trace.set_span_in_context(NonRecordingSpan(span_context), context)
    asked = sampler.should_sample(context, trace_id, "n", None, {"a": 1})
    assert Rules(sampler).sampled(trace_id, span_context) is asked.decision.is_sampled()
    assert asked.decision is not sampling.Decision.RECORD_ONLY


class Own(sampling.Sampler):
    def should_sample(self, *args, **kwargs):
        raise NotImplementedError

    def get_description(self):
        return "Own"


class Stricter(sampling.TraceIdRatioBased):
    def should_sample(self, *args, **kwargs):
        raise NotImplementedError


@pytest.mark.parametrize(
    "sampler",
    [Own(), Stricter(0.5), sampling.ParentBased(Own()), sampling.StaticSampler(sampling.Decision.RECORD_ONLY)],
    ids=["own", "subclass", "in a ParentBased", "record only"],
)
def test_others_have_to_be_asked(sampler):
    with pytest.raises(LookupError):
        Rules(sampler)
