"""The corpus of the fuzzer and seeded mutations of it, through the fuzzer's own target; no fuzzer is needed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from fuzz.mutate import corpus, mutations
from fuzz.target import KINDS, Outcome, by_h11, by_tasks, by_us, compare, run

from triton_otel.wire.aio.transport import AsyncStreamTransport
from triton_otel.wire.buffers import MAX_AHEAD


def named(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", corpus(), ids=named)
def test_a_file_of_the_corpus_and_its_mutations(path: Path) -> None:
    run(path.read_bytes())
    for number, data in enumerate(mutations(path, 60)):
        try:
            run(data)
        except BaseException as error:
            error.args = (f"mutation {number}: {data!r}: {error}",)
            raise


def test_no_answer_takes_more_memory_than_is_allowed_ahead() -> None:
    tracemalloc.start()
    try:
        for path in corpus():
            data = path.read_bytes()
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            run(data)
            assert tracemalloc.get_traced_memory()[1] - before < MAX_AHEAD + 2_000_000 + 50 * len(data), path.name
    finally:
        tracemalloc.stop()


def test_the_corpus_reaches_both_readings_of_every_kind() -> None:
    """It would be worth little if all of it were refused, or none."""
    seen = set()
    for path in corpus():
        data = path.read_bytes()
        method = KINDS[(data[0] - ord("0")) % len(KINDS)]
        if method:
            outcome = by_us(data[1:], method, whole=True, step=len(data))
            seen.add((outcome.error is None, outcome.kept, by_h11(data[1:], method).error is None))
    assert {(True, True, True), (True, False, True), (False, False, True), (False, False, False)} <= seen
    assert sum(path.stat().st_size for path in corpus()) < 100_000


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_the_connection_for_tasks_is_read_by_as_well(monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """What only it reads wrongly is a finding."""
    receive = AsyncStreamTransport.receive

    async def wrong(self: AsyncStreamTransport, max_bytes: int, timeout: float | None) -> bytes:
        return (await receive(self, max_bytes, timeout)).replace(b"abc", b"abd")

    data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    run(b"0" + data)
    assert by_tasks(data, b"GET", whole=whole, step=7) == Outcome(200, ((b"Content-Length", b"3"),), b"abc", True)
    monkeypatch.setattr(AsyncStreamTransport, "receive", wrong)
    with pytest.raises(AssertionError, match="by_tasks"):
        run(b"0" + data)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Outcome(200, body=b"a"), Outcome(200, body=b"b")),
        (Outcome(200, kept=True), Outcome(200)),
        (Outcome(200), Outcome(error="no")),
        (Outcome(error="no"), Outcome(200)),
    ],
)
def test_two_readings_that_differ_are_a_finding(ours: Outcome, theirs: Outcome) -> None:
    with pytest.raises(AssertionError):
        compare(b"HTTP/1.1 200 OK\r\n\r\n", ours, theirs)
