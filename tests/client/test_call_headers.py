"""Headers of the client and of one call: added, put in place of the client's, or refused."""

from __future__ import annotations

import pytest
from support.client_room import INPUTS, assert_serves

from triton_otel import ConfigError, TritonClient

BOTH_CLIENTS = True


def sent(server, name):
    return [seen.headers.get(name) for seen in server.seen]


def test_custom_headers_and_token_go_with_every_request(server):
    with TritonClient(server.url, headers={"X-Tenant": "blue"}, auth_token="t0ken") as client:
        client.infer("identity", INPUTS)
        client.server_live()
        client.model_metadata("identity")
    assert sent(server, "x-tenant") == ["blue"] * 3
    assert sent(server, "authorization") == ["Bearer t0ken"] * 3


def test_headers_from_options(server):
    options = {"endpoint": server.url, "custom-headers": "X-A:1,X-B: two ", "auth-token": "t"}
    with TritonClient.from_options(options) as client:
        client.server_live()
    (seen,) = server.seen
    assert [seen.headers[name] for name in ("x-a", "x-b", "authorization")] == ["1", "two", "Bearer t"]


def test_headers_of_a_call_add_to_the_clients(server):
    with TritonClient(server.url, headers={"X-Tenant": "blue"}) as client:
        client.infer("identity", INPUTS, headers={"X-Call": "7"})
        client.infer("identity", INPUTS)
    assert sent(server, "x-call") == ["7", None]
    assert sent(server, "x-tenant") == ["blue", "blue"]


def test_headers_of_a_call_stand_in_place_of_the_clients(server):
    with TritonClient(server.url, headers={"X-Tenant": "blue"}, auth_token="first") as client:
        client.infer("identity", INPUTS, headers={"x-tenant": "red", "AUTHORIZATION": "Bearer second"})
        client.server_live(headers={"User-Agent": "mine"})
        client.server_live()
    assert sent(server, "x-tenant") == ["red", "blue", "blue"]
    assert sent(server, "authorization") == ["Bearer second", "Bearer first", "Bearer first"]
    assert sent(server, "user-agent")[1] == "mine"
    assert sent(server, "user-agent")[2].startswith("triton_otel/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil"},
        {"host": "evil"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"Inference-Header-Content-Length": "1"},
        {"Content-Type": "text/plain"},
        {"X": "a\r\nContent-Length: 0"},
        {"X": "a\nb"},
        {"X": "a\x00"},
        {"X": "ä"},
        {"X\r\nY": "a"},
        {"X Y": "a"},
        {"X:": "a"},
        {"": "a"},
        {"traceparent": "00-" + "1" * 32 + "-" + "1" * 16 + "-01"},
        {"TraceState": "a=b"},
    ],
    ids=str,
)
def test_refused(server, headers):
    with pytest.raises(ConfigError):
        TritonClient(server.url, headers=headers)
    with TritonClient(server.url) as client:
        for call in (
            lambda: client.infer("identity", INPUTS, headers=headers),
            lambda: client.server_live(headers=headers),
        ):
            with pytest.raises(ConfigError) as caught:
                call()
            assert "headers" in str(caught.value)
        assert server.requests == 0
        assert_serves(client)


def test_a_trace_context_of_ones_own_where_the_client_sends_none(server):
    own = "00-" + "1" * 32 + "-" + "1" * 16 + "-01"
    with TritonClient(server.url, telemetry_propagation="off") as client:
        client.infer("identity", INPUTS, headers={"traceparent": own})
        client.infer("identity", INPUTS)
    assert sent(server, "traceparent") == [own, None]


def test_names_that_differ_in_their_case_only_are_refused(server):
    with TritonClient(server.url) as client:
        with pytest.raises(ConfigError, match="case"):
            client.infer("identity", INPUTS, headers={"X-A": "1", "x-a": "2"})
        assert server.requests == 0
        assert_serves(client)
