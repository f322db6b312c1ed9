"""Log records of a request say its trace, its span and its connection."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from support.client_room import INPUTS, assert_serves

from triton_otel import ConnectError, ServerError, TritonClient
from triton_otel.telemetry import RequestFilter, logs

BOTH_CLIENTS = True


class Keeping(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.records = []
        self.addFilter(RequestFilter())

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(logs, "_wanted", False)
    keeping = Keeping()
    loggers = [logging.getLogger(name) for name in ("triton_otel", "httpcore", "application")]
    for logger in loggers:
        logger.addHandler(keeping)
        logger.setLevel(logging.DEBUG)
    yield keeping
    for logger in loggers:
        logger.removeHandler(keeping)
        logger.setLevel(logging.NOTSET)


def ids(span):
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_records_of_the_wire_belong_to_the_request(server, tracing, handler):
    with TritonClient(server.url, tracer_provider=tracing.provider) as client:
        client.infer("identity", INPUTS)
        connection = client.infer("identity", INPUTS).connection
        span = tracing.spans[-1]
        records = [each for each in handler.records if each.name.startswith("httpcore.http11")]
        mine = [each for each in records if (each.trace_id, each.span_id) == ids(span)]
        assert {"send_request_headers", "receive_response_body"} <= {each.getMessage().split(".")[0] for each in mine}
        assert {each.connection_id for each in mine} == {connection.id}
        logging.getLogger("application").info("afterwards")
        after = handler.records[-1]
        assert (after.trace_id, after.span_id, after.connection_id) == ("", "", 0)


def test_outside_of_a_request_it_is_the_current_span(tracing, handler):
    with tracing.provider.get_tracer("application").start_as_current_span("work") as span:
        logging.getLogger("application").info("mine")
    record = handler.records[-1]
    assert (record.trace_id, record.span_id, record.connection_id) == (*ids(span), 0)


def test_a_failed_request_is_a_record_of_its_own(server, tracing, caplog):
    caplog.set_level(logging.DEBUG, "triton_otel.client")
    with TritonClient(server.url, tracer_provider=tracing.provider) as client:
        with pytest.raises(ServerError):
            client.infer("nobody", INPUTS)
        span = tracing.take()
        (record,) = [each for each in caplog.records if "failed" in each.getMessage()]
        assert record.getMessage() == "POST /v2/models/{model_name}/infer failed: ServerError"
        assert (record.levelno, record.name) == (logging.DEBUG, "triton_otel.client")
        assert (record.trace_id, record.span_id) == ids(span)
        assert record.connection_id == span.attributes["triton.connection.id"]
        assert record.error_type == span.attributes["error.type"]
        assert_serves(client)


def test_it_has_no_connection_where_there_was_none_and_no_trace_without_spans(caplog):
    caplog.set_level(logging.DEBUG, "triton_otel.client")
    with TritonClient("127.0.0.1:1", telemetry_spans="off") as client, pytest.raises(ConnectError):
        client.infer("identity", INPUTS)
    (record,) = [each for each in caplog.records if "failed" in each.getMessage()]
    assert (record.trace_id, record.span_id, record.connection_id) == ("", "", 0)
    assert record.error_type == "connection_refused"


@pytest.mark.filterwarnings("ignore:.*LoggingHandler.*:DeprecationWarning")
def test_opentelemetrys_handler_sends_them_with_the_span_of_the_request(server, tracing, monkeypatch):
    monkeypatch.setattr(logs, "_wanted", False)
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    sending = LoggingHandler(logging.DEBUG, logger_provider=provider)
    sending.addFilter(RequestFilter())
    logger = logging.getLogger("triton_otel.client")
    logger.addHandler(sending)
    logger.setLevel(logging.DEBUG)
    try:
        with TritonClient(server.url, tracer_provider=tracing.provider) as client, pytest.raises(ServerError):
            client.infer("nobody", INPUTS)
    finally:
        logger.removeHandler(sending)
        logger.setLevel(logging.NOTSET)
    span = tracing.take()
    (record,) = [each.log_record for each in exporter.get_finished_logs() if "failed" in str(each.log_record.body)]
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert record.attributes["connection_id"] == span.attributes["triton.connection.id"]
    assert record.attributes["trace_id"] == ids(span)[0]
    provider.shutdown()


def test_a_handler_that_raises_is_not_felt(server, caplog):
    class Raising(logging.Handler):
        def emit(self, record):
            raise ValueError(record)

    raising = Raising(logging.DEBUG)
    logger = logging.getLogger("triton_otel.client")
    logger.addHandler(raising)
    logger.setLevel(logging.DEBUG)
    try:
        with TritonClient(server.url) as client:
            with pytest.raises(ServerError):
                client.infer("nobody", INPUTS)
            assert_serves(client)
    finally:
        logger.removeHandler(raising)
        logger.setLevel(logging.NOTSET)
