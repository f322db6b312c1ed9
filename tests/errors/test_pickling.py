"""Errors cross processes: a pool of workers pickles what a task raised."""

from __future__ import annotations

import copy
import pickle

import pytest

from triton_otel import PoolStats, errors

STATS = PoolStats(idle=1, active=2, queued=3, total=3, max_total=9, open_errors={"tls_error": 4})
PLACE = {"host": "triton", "port": 8000, "stats": STATS}
ERRORS = [
    errors.TritonError("m"),
    errors.ConfigError("m"),
    errors.ClientClosed("m"),
    errors.TransportError("m", **PLACE),
    errors.ConnectError("m", **PLACE),
    errors.RequestTimeout("m", **PLACE),
    errors.ConnectTimeout("m", **PLACE),
    errors.PoolTimeout("m", **PLACE),
    errors.PoolFull("m", **PLACE),
    errors.ProtocolError("m", **PLACE),
    errors.DecodeError("m", **PLACE),
    errors.ServerError("m", status=503, **PLACE),
    errors.ServerError("m", status=404),
]


def test_every_error_is_here():
    assert {type(error).__name__ for error in ERRORS} == set(errors.__all__)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_round_trip(error, protocol):
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)
    assert getattr(again, "retryable", None) == getattr(error, "retryable", None)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_copies(error):
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_located_after_it_was_made():
    error = errors.DecodeError("m")
    error.host, error.port, error.stats = "triton", 8000, STATS
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert "triton:8000" in str(again)
