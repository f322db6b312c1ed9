"""When a span is an error, of which type, and what its status says."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from triton_otel.errors import DecodeError, ServerError
from triton_otel.telemetry.names import ERROR_TYPES

FACTS = [
    ({"status": 200}, None, StatusCode.UNSET, None),
    ({"status": 302}, None, StatusCode.UNSET, None),
    ({"status": 400}, "400", StatusCode.ERROR, None),
    ({"status": 503}, "503", StatusCode.ERROR, None),
    ({"status": 400, "expected": True}, None, StatusCode.UNSET, None),
    ({"status": 503, "expected": True}, "503", StatusCode.ERROR, None),
    ({"status": None, "error_type": "read_timeout"}, "read_timeout", StatusCode.ERROR, None),
    (
        {"status": None, "error_type": "connection_refused", "error": ConnectionRefusedError("refused")},
        "connection_refused",
        StatusCode.ERROR,
        "ConnectionRefusedError: refused",
    ),
    (
        {"status": 200, "error_type": "decode_error", "error": DecodeError("surplus bytes")},
        "decode_error",
        StatusCode.ERROR,
        "DecodeError: surplus bytes",
    ),
    (
        {"status": 404, "error": ServerError("unknown model", status=404)},
        "404",
        StatusCode.ERROR,
        "ServerError: HTTP 404: unknown model",
    ),
    (
        {"status": 302, "error": ServerError("redirect", status=302)},
        "302",
        StatusCode.ERROR,
        "ServerError: HTTP 302: redirect",
    ),
    ({"status": None, "error": ValueError("odd")}, "_OTHER", StatusCode.ERROR, "ValueError: odd"),
    ({"status": None, "cancelled": True}, None, StatusCode.UNSET, None),
    (
        {"status": None, "cancelled": True, "error_type": "read_timeout", "error": KeyboardInterrupt()},
        None,
        StatusCode.UNSET,
        None,
    ),
]


@pytest.mark.parametrize(("facts", "error_type", "code", "description"), FACTS)
def test_status_and_error_type(tracing, make_telemetry, make_route, attempt, facts, error_type, code, description):
    telemetry = make_telemetry()
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, **facts)
    span = tracing.span
    assert span.status.status_code is code
    assert span.status.description == description
    assert span.attributes.get("error.type") == error_type
    assert span.attributes.get("http.response.status_code") == facts["status"]
    assert not span.events


def test_every_type_here_is_of_the_closed_list():
    types = {error_type for _, error_type, _, _ in FACTS if error_type is not None and not error_type.isdigit()}
    assert types <= ERROR_TYPES


def test_a_long_message_is_cut(tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry()
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    telemetry.end(call, attempt, status=None, error_type="protocol_error", error=ValueError("x" * 100_000))
    assert tracing.span.status.description.startswith("ValueError: xxx")
    assert len(tracing.span.status.description) == 1000


def test_an_exception_that_cannot_say_itself_is_still_an_error(tracing, make_telemetry, make_route, attempt):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("nothing to say")

    telemetry = make_telemetry()
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    telemetry.end(call, attempt, status=None, error_type="protocol_error", error=Mute())
    assert tracing.span.status.status_code is StatusCode.ERROR
    assert tracing.span.status.description.endswith("Mute")
