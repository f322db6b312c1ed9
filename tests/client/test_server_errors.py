"""The server's refusals: ServerError with its own words, and the connection stays in use."""

from __future__ import annotations

import numpy as np
import pytest
from support.client_room import INPUTS, X, assert_serves, books

from triton_otel import ServerError, TritonClient
from triton_otel.testing import Fault

BOTH_CLIENTS = True


@pytest.fixture
def client(server):
    with TritonClient(server.url, timeout=20) as made:
        yield made


def refused(client, server, *arguments, **more):
    before = server.requests
    with pytest.raises(ServerError) as caught:
        client.infer(*arguments, **more)
    error = caught.value
    assert server.requests == before + 1
    assert (error.host, error.port) == (server.host, server.port)
    assert books(error.stats) == (1, 0, 0, 1)
    assert str(error).startswith(f"HTTP {error.status}: {error.message}")
    assert f"{server.host}:{server.port}" in str(error)
    assert str(error.stats) in str(error)
    assert_serves(client)
    assert server.connections_accepted == 1
    return error


def test_unknown_model(client, server):
    error = refused(client, server, "unknown", INPUTS)
    assert (error.status, error.retryable) == (404, False)
    assert error.message == "Request for unknown model: 'unknown' is not found"


def test_unknown_version(client, server):
    error = refused(client, server, "identity", INPUTS, version=9)
    assert (error.status, error.message) == (404, "Request for unknown model: 'identity' version 9 is not found")


def test_wrong_shape(client, server):
    error = refused(client, server, "add_sub", {"INPUT0": X.reshape(1, 3), "INPUT1": X})
    assert (error.status, error.retryable) == (400, False)
    assert "unexpected shape for input 'INPUT0' for model 'add_sub'. Expected [-1], got [1,3]" in error.message


def test_wrong_datatype(client, server):
    error = refused(client, server, "add_sub", {"INPUT0": X.astype(np.int32), "INPUT1": X})
    assert error.status == 400
    assert "INT32" in error.message


def test_unknown_output(client, server):
    error = refused(client, server, "identity", INPUTS, outputs=["OUTPUT9"])
    assert error.status == 400
    assert "OUTPUT9" in error.message


def test_a_model_that_fails(client, server):
    error = refused(client, server, "fails", INPUTS)
    assert (error.status, error.retryable, error.message) == (500, False, "this model never works")


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_not_now(client, server, status):
    server.inject(Fault.status(status, "come again"))
    error = refused(client, server, "identity", INPUTS)
    assert (error.status, error.retryable, error.message) == (status, True, "come again")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no message"),
        (b"<html>Bad Gateway</html>", "no message"),
        (b'{"error": 7}', "no message"),
        (b'{"error": ""}', "no message"),
        (b'{"message": "x"}', "no message"),
        ('{"error": "schön"}'.encode(), "schön"),
    ],
    ids=repr,
)
def test_bodies_that_are_not_tritons(client, server, body, message):
    server.inject(Fault.answer(502, body))
    assert refused(client, server, "identity", INPUTS).message == message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(client, server, status):
    location = f"{server.url}/v2/models/identity/infer"
    server.inject(Fault.answer(status, b"", headers={"Location": location}))
    error = refused(client, server, "identity", INPUTS)
    assert (error.status, error.retryable) == (status, False)
    assert "redirect" in error.message


@pytest.mark.parametrize("status", [201, 204, 206, 304])
def test_a_status_that_is_no_answer_to_an_inference(client, server, status):
    server.inject(Fault.answer(status, b""))
    assert refused(client, server, "identity", INPUTS).status == status


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("body", ["drain", "stall"])
def test_an_error_before_the_whole_request_was_sent(client, server, body, used):
    """The server refuses a large body, and closes or reads no more: its words are kept, in place of a broken pipe."""
    if used:
        assert_serves(client)
    server.inject(Fault.early(413, "request too large", body=body))
    with pytest.raises(ServerError) as caught:
        client.infer("identity", {"INPUT0": np.zeros(4_000_000, np.float32)}, timeout=60)
    assert (caught.value.status, caught.value.message) == (413, "request too large")
    assert_serves(client)
