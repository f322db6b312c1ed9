"""Headers that the environment asks for, on the spans of both clients; secrets of the settings never."""

from __future__ import annotations

import pytest
from support.client_room import INPUTS, assert_serves

from triton_otel import TritonClient

BOTH_CLIENTS = True

PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"


@pytest.fixture(autouse=True)
def _wanted(monkeypatch):
    monkeypatch.setenv(PREFIX + "CLIENT_REQUEST", "x-.*,authorization,content-type")
    monkeypatch.setenv(PREFIX + "CLIENT_RESPONSE", "content-type")
    monkeypatch.setenv(PREFIX + "SANITIZE_FIELDS", "session")


def captured(span):
    return {name: value for name, value in span.attributes.items() if ".header." in name}


def test_on_the_span(server, tracing):
    with TritonClient(
        server.url, auth_token="secret", headers={"X-Team": "secret"}, tracer_provider=tracing.provider
    ) as client:
        client.infer("identity", INPUTS)
        planned = captured(tracing.take())
        client.infer("identity", INPUTS, headers={"X-Tenant": "blue", "X-Session": "secret"})
        headers = captured(tracing.take())
    own = {
        "http.request.header.authorization": ("[REDACTED]",),
        "http.request.header.x-team": ("[REDACTED]",),
        "http.request.header.content-type": ("application/octet-stream",),
        "http.response.header.content-type": ("application/octet-stream",),
    }
    assert planned == own
    assert headers == own | {
        "http.request.header.x-tenant": ("blue",),
        "http.request.header.x-session": ("[REDACTED]",),
    }


def test_a_request_without_an_answer_shows_its_own(tracing):
    with TritonClient("127.0.0.1:1", tracer_provider=tracing.provider) as client:
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            client.infer("identity", INPUTS, headers={"X-Tenant": "blue"})
        assert captured(tracing.take()).keys() == {
            "http.request.header.x-tenant",
            "http.request.header.content-type",
        }


def test_the_environment_is_read_when_a_client_is_made(server, tracing, monkeypatch):
    with TritonClient(server.url, tracer_provider=tracing.provider) as before:
        monkeypatch.delenv(PREFIX + "CLIENT_REQUEST")
        monkeypatch.delenv(PREFIX + "CLIENT_RESPONSE")
        with TritonClient(server.url, tracer_provider=tracing.provider) as after:
            after.infer("identity", INPUTS)
            assert captured(tracing.take()) == {}
            before.infer("identity", INPUTS)
            assert captured(tracing.take()) != {}
            assert_serves(before)
