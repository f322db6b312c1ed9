"""An attempt tells where its request stood, also half way."""

from __future__ import annotations

import dataclasses

import pytest

from triton_otel.wire.phases import Attempt, ConnectionInfo, Timing


def test_nothing_happened_yet() -> None:
    attempt = Attempt(100.0)
    assert attempt.timing() == Timing(None, None, None, None, None, None, 0.0)
    with pytest.raises(ValueError, match="no connection"):
        attempt.connection()


def test_all_phases() -> None:
    attempt = Attempt(100.0, 130.0)
    attempt.blocked, attempt.connect, attempt.tls = 1.0, 2.0, 3.0
    attempt.send_started, attempt.sent, attempt.first_byte, attempt.last_byte = 106.0, 107.0, 109.0, 112.0
    attempt.ended = 112.0
    assert attempt.timing() == Timing(1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 12.0)
    attempt.connection_id, attempt.reused, attempt.requests, attempt.age = 7, True, 3, 1.5
    attempt.peer = ("127.0.0.1", 8000)
    info = attempt.connection()
    assert info == ConnectionInfo(7, True, 1.5, 3, ("127.0.0.1", 8000))
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.id = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"send_started": 1.0}, (None, None, None)),
        ({"send_started": 1.0, "sent": 2.0}, (1.0, None, None)),
        ({"send_started": 1.0, "sent": 2.0, "first_byte": 5.0}, (1.0, 3.0, None)),
        ({"send_started": 1.0, "first_byte": 2.0, "last_byte": 4.0}, (None, None, 2.0)),
        ({"send_started": 1.0, "sent": 9.0, "first_byte": 2.0, "last_byte": 4.0}, (8.0, 0.0, 2.0)),
    ],
)
def test_a_phase_that_did_not_end_is_none(fields: dict[str, float], expected: tuple[float | None, ...]) -> None:
    attempt = Attempt(0.0)
    for name, value in fields.items():
        setattr(attempt, name, value)
    assert (attempt.send, attempt.wait, attempt.receive) == expected


def test_starting_over_forgets_the_wire_but_not_the_wait() -> None:
    attempt = Attempt(0.0)
    attempt.blocked, attempt.resend_count = 2.0, 1
    attempt.connect = attempt.tls = attempt.send_started = attempt.sent = attempt.first_byte = attempt.last_byte = 1.0
    attempt.bytes_sent = attempt.bytes_received = 5
    attempt.peer, attempt.http_version = ("h", 1), "1.1"
    attempt.reset()
    assert attempt.timing() == Timing(2.0, None, None, None, None, None, 0.0)
    assert (attempt.bytes_sent, attempt.bytes_received, attempt.peer, attempt.http_version) == (0, 0, None, None)
    assert attempt.resend_count == 1
