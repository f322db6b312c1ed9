"""What an error says: the message, the place, the pool's numbers."""

from __future__ import annotations

import traceback

import pytest

from triton_otel import PoolStats, errors

STATS = PoolStats(idle=1, active=2, queued=3, total=3, max_total=9)
LINE = "Connection Pool Stats - Idle: 1, Active: 2, Queued: 3, Total: 3"
LOCATED = [
    errors.TransportError,
    errors.ConnectError,
    errors.RequestTimeout,
    errors.ConnectTimeout,
    errors.PoolTimeout,
    errors.PoolFull,
    errors.ProtocolError,
    errors.DecodeError,
]


@pytest.mark.parametrize("kind", LOCATED)
def test_message_place_and_numbers(kind):
    error = kind("too late", host="triton", port=8000, stats=STATS)
    assert str(error) == f"too late (server triton:8000) [{LINE}]"
    assert (error.message, error.host, error.port, error.stats) == ("too late", "triton", 8000, STATS)
    assert str(error) in "".join(traceback.format_exception_only(kind, error))


@pytest.mark.parametrize("kind", LOCATED)
def test_message_alone(kind):
    error = kind("too late")
    assert str(error) == "too late"
    assert (error.host, error.port, error.stats) == (None, None, None)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ({"host": "triton"}, "m (server triton)"),
        ({"host": "::1", "port": 8000}, "m (server [::1]:8000)"),
        ({"host": "::1"}, "m (server [::1])"),
        ({"stats": STATS}, f"m [{LINE}]"),
    ],
)
def test_parts_of_a_place(place, shown):
    assert str(errors.ConnectError("m", **place)) == shown


def test_server_error():
    error = errors.ServerError("no such model", status=404, host="triton", port=8000, stats=STATS)
    assert str(error) == f"HTTP 404: no such model (server triton:8000) [{LINE}]"
    assert (error.status, error.message) == (404, "no such model")


@pytest.mark.parametrize("kind", LOCATED)
def test_nothing_is_taken_for_an_errno(kind):
    """A built-in TimeoutError is an OSError, whose first argument of several is the errno."""
    error = kind("too late", host="triton", port=8000, stats=STATS)
    assert error.args == ("too late",)
    if isinstance(error, OSError):
        assert (error.errno, error.strerror, error.filename) == (None, None, None)
