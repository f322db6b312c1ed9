"""``docs/telemetry.md`` is current, and it has all that the package tells, in the same words, and nothing else."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider

from triton_otel.options import ConnectionPoolConfig
from triton_otel.options.config import TelemetryConfig
from triton_otel.telemetry import fallback, names
from triton_otel.telemetry.captured import CapturedHeaders
from triton_otel.telemetry.catalogue import METRICS
from triton_otel.telemetry.detail import DetailedTelemetry
from triton_otel.telemetry.metrics import Instruments, instruments
from triton_otel.telemetry.render import main, render
from triton_otel.telemetry.setups import SetupSpans
from triton_otel.telemetry.spancatalogue import ATTRIBUTES, CAPTURED, EVENTS, LOG_LINES, SPANS
from triton_otel.wire.phases import Connect

PAGE = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"


def test_the_page_is_not_stale(tmp_path, capsys):
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "docs/telemetry.md is stale: run python -m triton_otel.telemetry.render docs/telemetry.md"
    )
    assert main([str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == render()
    assert main([]) == 0
    assert capsys.readouterr().out == render()
    assert main(["a", "b"]) == 2


class Noting(NoOpMeter):
    """A meter that keeps what is asked of it."""

    made: list[tuple[str, ...]]

    def _note(self, kind, name, unit, description, advisory=()):
        self.made.append((name, kind, unit, description, tuple(advisory)))

    def create_observable_gauge(self, name, callbacks=None, unit="", description=""):
        self._note("gauge", name, unit, description)

    def create_observable_counter(self, name, callbacks=None, unit="", description=""):
        self._note("counter", name, unit, description)

    def create_observable_up_down_counter(self, name, callbacks=None, unit="", description=""):
        self._note("up-down counter", name, unit, description)

    def create_histogram(self, name, unit="", description="", *, explicit_bucket_boundaries_advisory=None):
        self._note("histogram", name, unit, description, explicit_bucket_boundaries_advisory)
        return super().create_histogram(name, unit, description)


def test_every_instrument_that_is_made_is_there_and_no_other():
    made = []

    class Provider(NoOpMeterProvider):
        def get_meter(self, *_arguments, **_more):
            meter = Noting("m")
            meter.made = made
            return meter

    Instruments(Provider())
    expected = [(m.name, m.kind, m.unit, m.text, m.buckets) for m in METRICS.values()]
    assert sorted(made) == sorted(expected)


@pytest.fixture
def told(tracing, metering, make_route, attempt, make_pool):
    """Have everything told that there is to tell; return the spans, and the attributes of every series."""
    levels = TelemetryConfig(metrics="full", spans="debug")
    known = metering.instruments
    setups = SetupSpans(tracing.provider, "p")
    connect = Connect(7, "triton", 8000, ("10.0.0.9", 8000), 1.0, 2.0, 0.1, 0.5, 0.5, "TLSv1.3", None)
    setups.connected(connect)
    setups.connected(Connect(8, "triton", 8000, None, 1.0, 2.0, None, 0.5, None, None, "connect_timeout"))
    telemetry = DetailedTelemetry(
        host="triton",
        port=8000,
        base_url="http://triton:8000",
        pool_name="p",
        config=levels,
        tracer_provider=tracing.provider,
        instruments=known,
        setups=setups,
        captured=CapturedHeaders(request=["a"], response=["a"]),
    )
    attempt.blocked_since, attempt.connect, attempt.tls, attempt.resend_count = attempt.started, 0.01, 0.01, 1
    attempt.request_body_size, attempt.response_body_size = 1, 1
    attempt.request_headers = attempt.response_headers = [(b"a", b"b")]
    route = make_route(model_version="1")
    for status, error in ((200, None), (500, ValueError("why"))):
        call = telemetry.begin(route, request_id="r", started=attempt.started, headers=[])
        telemetry.end(call, attempt, status=status, error=error)
    attempt.connection_id = attempt.connect = None
    call = telemetry.begin(route, started=attempt.started, headers=[])
    telemetry.end(call, attempt, status=None, error_type="pool_timeout", error=TimeoutError())
    observer = known.observer("p", "full")
    for error_type in (None, "pool_timeout"):
        observer.waited(1.0, error_type)
        observer.created("triton", 8000, 1.0, error_type)
    observer.used(1.0)
    observer.ended("triton", 8000, 1.0, "1.1")
    pool = make_pool(open_errors={"connect_timeout": 1}, closed={"surplus": 1}, resent={"connection_reset": 1})
    pool.stats_by_place = lambda: (pool.stats(), {("triton", 8000): (1, 1)})
    known.add(pool, "p", "full")
    series = {name: {key for point in points for key, _ in point} for name, points in metering.series().items()}
    return tracing.exporter.get_finished_spans(), series


def test_every_attribute_of_a_series_is_there_and_no_other(told):
    _, series = told
    assert series == {name: set(metric.attributes) for name, metric in METRICS.items()}


def test_every_attribute_of_a_span_is_there_and_no_other(told):
    spans, _ = told
    beginnings = {"request": "POST /v2", "wait": names.SPAN_WAIT_FOR_CONNECTION, "setup": names.SPAN_CONNECTION_SETUP}
    assert {span.key for span in SPANS} == set(beginnings)
    kinds = {"request": "CLIENT", "wait": "INTERNAL", "setup": "INTERNAL"}
    assert {span.key: span.kind for span in SPANS} == kinds
    types = {"string": str, "int": int, "boolean": bool, "double": float}
    for key, beginning in beginnings.items():
        seen = {}
        for span in spans:
            if span.name.startswith(beginning):
                assert span.kind.name == kinds[key]
                seen.update(span.attributes)
        captured = {name for name in seen if name.startswith(CAPTURED)}
        assert len(captured) == (2 if key == "request" else 0)
        listed = {a.name: types[a.type.split(",")[0]] for a in ATTRIBUTES if key in a.spans}
        assert {name: type(value) for name, value in seen.items() if name not in captured} == listed


def test_every_event_is_there_and_no_other(told):
    spans, _ = told
    assert {event.name for span in spans for event in span.events} == {event.name for event in EVENTS}


def test_the_lines_are_the_ones_that_are_written(
    metering, make_pool, clock, caplog, make_telemetry, make_route, attempt
):
    caplog.set_level(logging.DEBUG, "triton_otel")
    fallback.log_created(ConnectionPoolConfig(max_idle=3, keep_alive=300, max_total=5, connection_timeout=10))
    pool = make_pool()
    log = fallback.StatsLog(pool, "p", interval=1.0, mode="always", instruments=instruments(metering.provider))
    log.tick(clock.advance(2))
    telemetry = make_telemetry()
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    telemetry.end(call, attempt, status=None, error=ValueError())
    plain = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    records = [record for record in caplog.records if record.name != names.LOGGER_TELEMETRY]
    assert len(records) == len(LOG_LINES)
    for record, line in zip(records, LOG_LINES, strict=True):
        assert record.name == line.logger.replace("<pool name>", "p")
        assert record.levelname == line.level
        assert re.fullmatch(line.pattern, record.getMessage())
        assert re.fullmatch(line.pattern, line.example)
        assert set(vars(record)) - plain == set(line.fields)


def test_what_it_says_of_the_filter_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    program = block + "\nlogging.getLogger('a').warning('said')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert done.stderr == "WARNING a  0 said\n"
