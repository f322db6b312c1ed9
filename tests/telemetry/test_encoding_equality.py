"""Our encoder and the stock one write messages that are equal, whatever the spans are and whoever made them."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from triton_otel.telemetry.encoding import among
from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.quickattributes import QuickAttributes

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
KEY = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
INTEGER = st.integers(-(2**63), 2**63 - 1)
# Few values of several types that are equal, so that what is kept of one can be taken for the other.
ALIKE = st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True, "", "1"])
DOUBLE = st.floats().filter(lambda value: not math.isnan(value)) | st.sampled_from([math.inf, -math.inf, 5e-324])
SIMPLE = ALIKE | TEXT | st.booleans() | INTEGER | DOUBLE
ODD = (
    st.lists(TEXT, max_size=3).map(tuple)
    | st.lists(INTEGER, max_size=3).map(tuple)
    | st.binary(max_size=8)
    | st.none()
    | st.dictionaries(KEY, TEXT, max_size=2)
)
ATTRIBUTES = st.dictionaries(KEY | st.sampled_from("abc"), SIMPLE, max_size=8)
ANY_ATTRIBUTES = ATTRIBUTES | st.dictionaries(KEY, SIMPLE | ODD, max_size=4)
STATE = st.lists(
    st.tuples(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), st.from_regex(r"[!-+]{1,5}", fullmatch=True)),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(TraceState)
CONTEXT = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    STATE,
)
STATUS = st.sampled_from([Status(StatusCode.UNSET), Status(StatusCode.OK)]) | st.builds(
    Status, st.just(StatusCode.ERROR), st.none() | TEXT
)
RESOURCES = st.lists(st.builds(Resource, ATTRIBUTES, st.sampled_from(["", "https://a"])), min_size=1, max_size=2)
SCOPE = st.builds(
    InstrumentationScope,
    TEXT,
    st.none() | TEXT,
    st.none() | st.just("https://b"),
    st.none() | ATTRIBUTES,
)
TIME = st.integers(0, 2**64 - 1)


@st.composite
def bounded(draw, attributes):
    """Attributes as the SDK holds them or as a span of ours does, of which some may have been dropped."""
    made = draw(st.sampled_from([BoundedAttributes, QuickAttributes]))(
        draw(st.sampled_from([None, 128])), draw(attributes), immutable=False
    )
    made.dropped = draw(st.sampled_from([0, 0, 1, 300]))
    return made


@st.composite
def listed(draw, items):
    """Events or links as the SDK holds them, mostly none."""
    made = BoundedList.from_seq(128, draw(st.just([]) | st.lists(items, max_size=1)))
    made.dropped = draw(st.sampled_from([0, 0, 1, 300]))
    return made


@st.composite
def batches(draw):
    resources = draw(RESOURCES)
    scopes = draw(st.lists(st.none() | SCOPE, min_size=1, max_size=3))
    event = st.builds(Event, TEXT, bounded(ANY_ATTRIBUTES), st.integers(0, 2**63))
    link = st.builds(Link, CONTEXT, bounded(ANY_ATTRIBUTES))
    span = st.builds(
        ReadableSpan,
        st.sampled_from(["POST /v2", ""]) | TEXT,
        context=CONTEXT,
        parent=st.none() | CONTEXT,
        resource=st.sampled_from(resources),
        attributes=bounded(ATTRIBUTES) | bounded(ANY_ATTRIBUTES) | st.none(),
        events=listed(event),
        links=listed(link),
        kind=st.sampled_from(SpanKind),
        status=STATUS,
        start_time=st.none() | TIME,
        end_time=st.none() | TIME,
        instrumentation_scope=st.sampled_from(scopes),
    )
    return draw(st.lists(span, max_size=6))


ENCODER = SpanEncoder(encode_spans)
"""One for all examples, so that what it keeps of one is used for the next."""


@settings(max_examples=80, deadline=None)
@given(batches())
def test_equal_messages(spans):
    expected = encode_spans(spans)
    assert ExportTraceServiceRequest.FromString(ENCODER(spans)) == expected
    # Some by us and some by the stock encoder.
    assert among._proven()(spans) == expected


def test_not_a_number_keeps_its_bits():
    context = SpanContext(1, 2, False)
    spans = [ReadableSpan("x", context, resource=Resource({}), attributes={"nan": math.nan, "minus": -math.nan})]
    # Messages with it are not equal to themselves, their bytes are.
    assert ExportTraceServiceRequest.FromString(ENCODER(spans)).SerializeToString() == (
        encode_spans(spans).SerializeToString()
    )


def test_lengths_around_each_size_of_a_length():
    context = SpanContext(1, 2, False)
    for length in (126, 127, 128, 255, 256, 257, 16382, 16383, 16384, 70000):
        spans = [ReadableSpan("n" * length, context, resource=Resource({}), attributes={"k" * length: "v" * length})]
        assert ExportTraceServiceRequest.FromString(ENCODER(spans)) == encode_spans(spans), length
