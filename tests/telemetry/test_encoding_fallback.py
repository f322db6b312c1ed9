"""What our encoder does not write itself reaches the stock one, and only that."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext

from triton_otel.telemetry.encoding.spans import SpanEncoder

CONTEXT = SpanContext(1, 2, False)
RESOURCE = Resource({"service.name": "s"})


class Counting:
    """The stock encoder, and the names of the spans that it was given."""

    def __init__(self):
        self.names = []

    def __call__(self, spans):
        self.names += [span.name for span in spans]
        return encode_spans(spans)


def span(name, **more):
    return ReadableSpan(name, CONTEXT, resource=RESOURCE, **more)


@pytest.mark.parametrize(
    "odd",
    [
        {"events": (Event("e", {"a": 1}, 5),)},
        {"links": (Link(CONTEXT, {"a": 1}),)},
        {"attributes": {"sequence": ("a", "b")}},
        {"attributes": {"bytes": b"\x00\xff"}},
        {"attributes": {"nothing": None}},
        {"attributes": {"map": {"a": {"b": 1}}}},
    ],
)
def test_only_the_odd_span_goes_through_the_stock_encoder(odd):
    stock = Counting()
    encoder = SpanEncoder(stock)
    encoder([span("first")])
    # The first of a resource and scope, whose parts are the stock encoder's.
    assert stock.names == ["first"]
    spans = [span("before", attributes={"a": 1}), span("odd", **odd), span("after")]
    assert ExportTraceServiceRequest.FromString(encoder(spans)) == encode_spans(spans)
    assert stock.names == ["first", "odd"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800"])
def test_a_value_that_cannot_be_sent_is_left_out_as_by_the_stock_encoder(value, caplog):
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    spans = [span("x", attributes={"good": 1, "bad": value, "best": "2"})]
    message = ExportTraceServiceRequest.FromString(SpanEncoder(encode_spans)(spans))
    assert message == encode_spans(spans)
    (sent,) = message.resource_spans[0].scope_spans[0].spans
    assert [attribute.key for attribute in sent.attributes] == ["good", "best"]


def test_a_span_that_nobody_can_encode_raises_as_before():
    encoder = SpanEncoder(encode_spans)
    encoder([span("fine")])
    with pytest.raises(UnicodeEncodeError):
        encode_spans([span("\ud800")])
    with pytest.raises(UnicodeEncodeError):
        encoder([span("fine"), span("\ud800")])
    assert encoder([span("fine")])
