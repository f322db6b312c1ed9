"""Health and metadata: what the server says, and errors where it does not say."""

from __future__ import annotations

import pytest
from support.client_room import assert_at_rest, assert_serves

from triton_otel import ConnectError, DecodeError, ServerError, TritonClient
from triton_otel.testing import Fault

BOTH_CLIENTS = True


@pytest.fixture
def client(server):
    with TritonClient(server.url, timeout=20) as made:
        yield made


def test_live_and_ready(client, server):
    assert client.server_live() is True
    assert client.server_ready() is True
    server.ready = False
    assert client.server_live() is True
    assert client.server_ready() is False
    server.live = False
    assert client.server_live() is False
    assert_serves(client)


def test_model_ready(client, server):
    assert client.model_ready("identity") is True
    assert client.model_ready("identity", 1) is True
    assert client.model_ready("identity", "7") is False
    assert client.model_ready("unknown") is False
    server.models["identity"].ready = False
    assert client.model_ready("identity") is False
    assert_at_rest(client)


def test_metadata(client):
    assert client.server_metadata()["name"] == "triton"
    metadata = client.model_metadata("add_sub")
    assert metadata["name"] == "add_sub"
    assert [each["name"] for each in metadata["inputs"]] == ["INPUT0", "INPUT1"]
    assert client.model_metadata("add_sub", 1) == metadata


def test_metadata_of_an_unknown_model(client):
    with pytest.raises(ServerError) as caught:
        client.model_metadata("unknown")
    assert caught.value.message == "Request for unknown model: 'unknown' is not found"
    assert caught.value.status == 404
    assert_serves(client)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"triton"', b"\xff"], ids=repr)
def test_metadata_that_is_none(client, server, body):
    server.inject(Fault.answer(200, body))
    with pytest.raises(DecodeError) as caught:
        client.server_metadata()
    assert (caught.value.host, caught.value.port) == (server.host, server.port)
    assert_serves(client)


def test_a_probe_raises_what_keeps_it_from_an_answer(client, server):
    server.inject(Fault.reset())
    with pytest.raises(ConnectError):
        client.server_ready()
    assert_serves(client)


@pytest.mark.parametrize("probe", ["server_live", "server_ready"])
def test_a_redirect_is_not_an_answer(client, server, probe):
    server.inject(Fault.answer(302, b"", headers={"Location": "/v2/health/live"}))
    with pytest.raises(ServerError) as caught:
        getattr(client, probe)()
    assert caught.value.status == 302
    assert server.requests == 1
    assert_serves(client)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_says_nothing_of_readiness(client, server, status):
    server.inject(Fault.answer(status, b'{"error":"who are you?"}'))
    with pytest.raises(ServerError, match="who are you") as caught:
        client.server_ready()
    assert caught.value.status == status
    assert_serves(client)
