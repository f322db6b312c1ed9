"""The exception tree: who is caught by what."""

from __future__ import annotations

import pytest

import triton_otel
from triton_otel import errors

BASES = {
    "TritonError": {Exception},
    "ConfigError": {errors.TritonError, ValueError},
    "ClientClosed": {errors.TritonError},
    "TransportError": {errors.TritonError},
    "ConnectError": {errors.TransportError},
    "RequestTimeout": {errors.TransportError, TimeoutError},
    "ConnectTimeout": {errors.ConnectError, errors.RequestTimeout, TimeoutError},
    "PoolTimeout": {errors.RequestTimeout, TimeoutError},
    "PoolFull": {errors.TransportError},
    "ProtocolError": {errors.TransportError},
    "DecodeError": {errors.ProtocolError},
    "ServerError": {errors.TritonError},
}


def test_every_error_is_in_the_table_and_public():
    assert set(BASES) == set(errors.__all__)
    for name in BASES:
        assert getattr(triton_otel, name) is getattr(errors, name)


@pytest.mark.parametrize("name", BASES)
def test_bases(name):
    kind = getattr(errors, name)
    for base in BASES[name]:
        assert issubclass(kind, base)


@pytest.mark.parametrize(
    ("kind", "stranger"),
    [
        (errors.PoolFull, TimeoutError),
        (errors.ServerError, errors.TransportError),
        (errors.ClientClosed, errors.TransportError),
        (errors.ConnectError, TimeoutError),
        (errors.ProtocolError, errors.ConnectError),
    ],
)
def test_what_is_not_caught(kind, stranger):
    assert not issubclass(kind, stranger)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_statuses_that_say_not_now(status):
    assert errors.ServerError("m", status=status).retryable


@pytest.mark.parametrize("status", [302, 400, 401, 404, 413, 500, 501])
def test_statuses_that_say_not_so(status):
    assert not errors.ServerError("m", status=status).retryable
