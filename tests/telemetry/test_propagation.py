"""The W3C header is the span's own, and a propagator cannot break the request."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from triton_otel.telemetry.propagation import inject


def traceparent(context):
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()


def remote(*, sampled=True, state=None):
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=flags, trace_state=state))


@pytest.fixture
def ambient():
    """Make a span of another process current."""
    tokens = []

    def attach(span):
        from opentelemetry import context

        tokens.append(context.attach(set_span_in_context(span)))
        return span.get_span_context()

    yield attach
    from opentelemetry import context

    for token in reversed(tokens):
        context.detach(token)


class Scripted(TextMapPropagator):
    """Writes what the test says."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def inject(self, carrier, context=None, setter=None):
        for name, value in self.pairs:
            setter.set(carrier, name, value)

    def extract(self, carrier, context=None, getter=None):
        return context

    @property
    def fields(self):
        return {name for name, _ in self.pairs}


@pytest.fixture
def propagator(monkeypatch):
    def use(*pairs):
        monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Scripted(*pairs))

    return use


def test_the_header_is_the_spans_own(tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry()
    headers = [(b"Host", b"triton:8000")]
    call = telemetry.begin(make_route(), started=attempt.started, headers=headers)
    telemetry.end(call, attempt, status=200)
    assert headers == [(b"Host", b"triton:8000"), (b"traceparent", traceparent(tracing.span.context))]


def test_tracestate_travels_with_it(tracing, make_telemetry, make_route, attempt, ambient):
    parent = ambient(remote(state=TraceState([("vendor", "x")])))
    headers = []
    telemetry = make_telemetry()
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=headers), attempt, status=200)
    assert tracing.span.context.trace_id == parent.trace_id
    assert headers == [(b"traceparent", traceparent(tracing.span.context)), (b"tracestate", b"vendor=x")]


def test_spans_off_still_passes_the_callers_context_on(make_telemetry, make_route, attempt, ambient):
    parent = ambient(remote())
    headers = []
    make_telemetry(spans="off").begin(make_route(), started=attempt.started, headers=headers)
    assert headers == [(b"traceparent", traceparent(parent))]


def test_without_any_context_there_is_no_header(make_telemetry, make_route, attempt):
    headers = []
    make_telemetry(spans="off").begin(make_route(), started=attempt.started, headers=headers)
    assert headers == []


@pytest.mark.parametrize(
    ("mode", "sampled", "written"),
    [
        ("always", True, True),
        ("always", False, True),
        ("sampled", True, True),
        ("sampled", False, False),
        ("off", True, False),
        ("off", False, False),
    ],
)
def test_modes(tracing, make_telemetry, make_route, attempt, mode, sampled, written):
    provider = None if sampled else TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    headers = []
    call = make_telemetry(propagation=mode, provider=provider).begin(
        make_route(), started=attempt.started, headers=headers
    )
    assert call.span.get_span_context().trace_flags.sampled is sampled
    assert headers == ([(b"traceparent", traceparent(call.span.get_span_context()))] if written else [])


def test_a_header_of_the_caller_is_replaced_with_its_state(tracing, make_telemetry, make_route, attempt):
    headers = [(b"TraceParent", b"old"), (b"x-other", b"1"), (b"tracestate", b"old=1")]
    telemetry = make_telemetry()
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=headers), attempt, status=200)
    assert headers == [(b"x-other", b"1"), (b"traceparent", traceparent(tracing.span.context))]


def test_a_header_of_the_caller_stays_where_we_write_none(make_telemetry, make_route, attempt):
    headers = [(b"traceparent", b"by hand")]
    make_telemetry(propagation="off").begin(make_route(), started=attempt.started, headers=headers)
    assert headers == [(b"traceparent", b"by hand")]


def test_the_applications_propagator_is_used(propagator):
    propagator(("X-B3-TraceId", " abc "), ("b3", "1"))
    headers = []
    inject(Context(), headers, "always")
    assert headers == [(b"x-b3-traceid", b"abc"), (b"b3", b"1")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baggage", "a=1\r\nX-Evil: 1"),
        ("baggage", "a=1\nb"),
        ("baggage", "a\0b"),
        ("baggage", "käse"),
        ("baggage", ""),
        ("baggage", None),
        ("bad name", "1"),
        ("bad:name", "1"),
        ("", "1"),
        ("näme", "1"),
        ("x\r\n", "1"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("Host", "elsewhere"),
        ("Authorization", "Bearer x"),
        ("Inference-Header-Content-Length", "5"),
    ],
)
def test_what_could_break_out_of_its_place_is_dropped(propagator, name, value):
    propagator((name, value), ("good", "kept"))
    headers = [(b"host", b"triton")]
    inject(Context(), headers, "always")
    assert headers == [(b"host", b"triton"), (b"good", b"kept")]


def test_a_propagator_that_raises_hurts_no_request(monkeypatch, tracing, make_telemetry, make_route, attempt):
    class Broken(Scripted):
        def inject(self, carrier, context=None, setter=None):
            setter.set(carrier, "half", "done")
            raise RuntimeError("no context today")

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Broken())
    headers = [(b"host", b"triton")]
    telemetry = make_telemetry()
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=headers), attempt, status=200)
    assert headers == [(b"host", b"triton")]
    assert tracing.span.attributes["http.response.status_code"] == 200


def test_a_misspelt_propagator_falls_back_to_w3c(run_python):
    program = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from triton_otel.telemetry.propagation import inject
headers = []
span = NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1)))
inject(set_span_in_context(span, Context()), headers, "always")
print(headers)
"""
    printed = run_python(program, {"OTEL_PROPAGATORS": "w3cc"})
    assert "WARNING triton_otel.telemetry OTEL_PROPAGATORS" in printed
    assert f"[(b'traceparent', b'00-{1:032x}-{2:016x}-01')]" in printed
    assert trace.INVALID_TRACE_ID == 0


BOTH = [TraceContextTextMapPropagator(), W3CBaggagePropagator()]


@pytest.mark.parametrize(
    "propagators", [BOTH, BOTH[::-1], BOTH[:1], BOTH[1:], [], [*BOTH, Scripted(("x-more", "1"))]], ids=len
)
@pytest.mark.parametrize(
    "span",
    [
        remote(),
        remote(sampled=False),
        remote(state=TraceState([("a", "1"), ("b", "2")])),
        trace.INVALID_SPAN,
        NonRecordingSpan(SpanContext(0xABC, 0, is_remote=True)),
        None,
    ],
)
@pytest.mark.parametrize("entries", [{}, {"user.id": "7"}])
def test_the_same_headers_as_of_the_propagators_themselves(monkeypatch, propagators, span, entries):
    composite = CompositePropagator(propagators)
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", composite)
    context = Context() if span is None else set_span_in_context(span, Context())
    for name, value in entries.items():
        context = baggage.set_baggage(name, value, context)
    wanted = {}
    composite.inject(wanted, context=context)
    headers = []
    inject(context, headers, "always")
    assert {name.decode(): value.decode() for name, value in headers} == wanted
    assert len(headers) == len(wanted)


def test_a_propagator_that_is_set_later_is_used_from_then_on(propagator):
    context = set_span_in_context(remote(), Context())
    headers = []
    inject(context, headers, "always")
    assert [name for name, _ in headers] == [b"traceparent"]
    propagator(("b3", "1"))
    headers = []
    inject(context, headers, "always")
    assert headers == [(b"b3", b"1")]


def test_a_derived_propagator_is_asked_itself(monkeypatch):
    class Upper(TraceContextTextMapPropagator):
        def inject(self, carrier, context=None, setter=None):
            super().inject(carrier, context, setter)
            setter.set(carrier, "x-upper", "1")

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", CompositePropagator([Upper()]))
    headers = []
    inject(set_span_in_context(remote(), Context()), headers, "always")
    assert [name for name, _ in headers] == [b"traceparent", b"x-upper"]
