"""``triton-otel top`` on a terminal and in a pipe, while a page changes under it."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.command import start
from support.terminal import CONTROL, assert_restored, terminal
from support.told_prometheus import Told, told

LEAVE = "\x1b[?1049l"


def page(acquired: int, active: int = 3) -> bytes:
    pool = 'triton_client_pool_name="orders"'
    return (
        f"triton_client_connections_idle{{{pool}}} 1\ntriton_client_connections_active{{{pool}}} {active}\n"
        f"triton_client_connections_queued{{{pool}}} 0\ntriton_client_connections_max{{{pool}}} 8\n"
        f'triton_client_connections_acquired_total{{{pool},triton_connection_reused="true"}} {acquired}\n'
        f'triton_client_connections_acquired_total{{{pool},triton_connection_reused="false"}} 4\n'
    ).encode()


@pytest.fixture
def server() -> Iterator[Told]:
    with told({"/metrics": page(100)}) as state:
        yield state


def test_q_ends_it_and_the_terminal_is_as_it_was(server: Told) -> None:
    with terminal("top", "--scrape", f"{server.url}/metrics", "--interval", "0.2") as shown:
        shown.read_until(r"active +3")
        server.answers["/metrics"] = page(500, active=7)
        shown.read_until(r"active +7")
        shown.read_until(r"req/s +[1-9]")
        assert "total   8 of 8" in CONTROL.sub("", shown.text)
        shown.type(b"q")
        assert shown.finish() == 0
        assert shown.text.rfind(LEAVE) > 0
        assert_restored(shown)


def test_it_follows_the_size_of_the_terminal(server: Told) -> None:
    with terminal("top", "--scrape", f"{server.url}/metrics", "--interval", "60", columns=100, rows=30) as shown:
        shown.read_until(r"total +4 of 8")
        shown.resize(70, 7)
        # Too low for a block: a line for each pool.
        shown.read_until(r"pool +active +queued")
        shown.type(b"\x03")
        assert shown.finish() == 130
        assert "Traceback" not in shown.text
        assert_restored(shown)


def test_a_source_that_fails_for_a_while_is_told_and_tried_again(server: Told) -> None:
    with terminal("top", "--scrape", f"{server.url}/metrics", "--interval", "0.2", columns=150) as shown:
        shown.read_until(r"active +3")
        server.status = 503
        shown.read_until("answered with HTTP 503")
        server.status = 200
        server.answers["/metrics"] = page(500, active=6)
        shown.read_until(r"active +6")
        shown.type(b"q")
        assert shown.finish() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_a_pipe_frames_follow_each_other_until_a_signal(server: Told, number: int, status: int) -> None:
    with start("top", "--scrape", f"{server.url}/metrics", "--interval", "0.2", PYTHONUNBUFFERED="1") as view:
        assert view.stdout is not None
        text = ""
        while len(re.findall("^orders", text, re.MULTILINE)) < 3:
            line = view.stdout.readline()
            assert line, text
            text += line
        view.send_signal(number)
        output, errors = view.communicate(timeout=30)
    assert (view.returncode, errors) == (status, "")
    assert "\x1b" not in text + output


def test_nobody_reads_any_more(server: Told) -> None:
    with start("top", "--scrape", f"{server.url}/metrics", "--interval", "0.2") as view:
        assert view.stdout is not None
        assert view.stdout.readline().startswith("triton-otel top")
        view.stdout.close()
        assert view.wait(timeout=30) == 1
        assert view.stderr is not None
        assert view.stderr.read() == ""


def test_a_source_that_hangs_does_not_hold_up_the_end() -> None:
    hung = threading.Event()

    class Hanging(dict[str, bytes]):
        def items(self):  # type: ignore[no-untyped-def]
            hung.wait(30)
            return super().items()

    with told(Hanging()) as server:
        try:
            with start("top", "--scrape", f"{server.url}/metrics") as view:
                end = time.monotonic() + 30
                while not server.asked:
                    assert time.monotonic() < end
                    time.sleep(0.02)
                view.send_signal(signal.SIGINT)
                output, errors = view.communicate(timeout=30)
        finally:
            hung.set()
    assert (view.returncode, output, errors) == (130, "", "")
