"""Which headers are captured, under which names, and which values nobody gets to see."""

from __future__ import annotations

import pytest

from triton_otel.telemetry.captured import CapturedHeaders

PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
HEADERS = [(b"X-Tenant", b"blue"), (b"x-tenant", b"green"), (b"X-Token-Id", b"t0"), (b"Authorization", b"Bearer b")]


def test_names_in_any_case_become_lower_and_repeated_ones_a_list():
    captured = CapturedHeaders(request=["x-TENANT"])
    assert captured.of_request(HEADERS) == {"http.request.header.x-tenant": ("blue", "green")}
    assert captured.of_response(HEADERS) == {}


def test_expressions_are_for_the_whole_name():
    assert set(CapturedHeaders(response=["x-.*"]).of_response(HEADERS)) == {
        "http.response.header.x-tenant",
        "http.response.header.x-token-id",
    }
    assert CapturedHeaders(response=["x"]).of_response(HEADERS) == {}


def test_hidden_and_secret_values():
    captured = CapturedHeaders(request=[".*"], hidden=["TOKEN"], secret=["X-Tenant"])
    assert captured.of_request([*HEADERS, (b"Cookie", b"c"), (b"Accept", b"*/*")]) == {
        "http.request.header.x-tenant": ("[REDACTED]", "[REDACTED]"),
        "http.request.header.x-token-id": ("[REDACTED]",),
        "http.request.header.authorization": ("[REDACTED]",),
        "http.request.header.cookie": ("[REDACTED]",),
        "http.request.header.accept": ("*/*",),
    }


def test_what_is_no_expression_is_a_name():
    captured = CapturedHeaders(request=["x-(tenant"])
    assert captured.of_request([(b"x-(tenant", b"1"), (b"x-tenant", b"2")]) == {"http.request.header.x-(tenant": ("1",)}


def test_any_byte_is_told():
    assert CapturedHeaders(request=["a"]).of_request([(b"a", b"\xff\xfe")]) == {"http.request.header.a": ("ÿþ",)}


def test_the_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("CLIENT_REQUEST", "CLIENT_RESPONSE", "SANITIZE_FIELDS"):
        monkeypatch.delenv(PREFIX + name, raising=False)
    assert CapturedHeaders.from_environment([]) is None
    monkeypatch.setenv(PREFIX + "SANITIZE_FIELDS", ".*")
    assert CapturedHeaders.from_environment([]) is None, "nothing is captured that could be hidden"
    monkeypatch.setenv(PREFIX + "CLIENT_REQUEST", " x-tenant , ,accept")
    monkeypatch.setenv(PREFIX + "SANITIZE_FIELDS", "accept")
    captured = CapturedHeaders.from_environment([])
    assert captured is not None
    assert captured.of_request([*HEADERS, (b"accept", b"a")]) == {
        "http.request.header.x-tenant": ("blue", "green"),
        "http.request.header.accept": ("[REDACTED]",),
    }
