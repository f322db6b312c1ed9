"""The signals are a flag, the handlers come back, and who insists gets out at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

from support.command import environment

from triton_otel.cli.interrupt import Interrupt

INSIST = """
import os, signal
from triton_otel.cli.interrupt import Interrupt
with Interrupt() as interrupt:
    assert not interrupt() and interrupt.status == 0
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupt() and interrupt.status == 130
    os.kill(os.getpid(), signal.SIGTERM)
    assert interrupt.status == 130
    print("still here", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never reached", flush=True)
"""


def test_the_first_signal_counts_and_the_third_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSIST], env=environment(), capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "still here\n", "")


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_sleep_and_a_wait_end_when_asked_to() -> None:
    interrupt = Interrupt()
    assert interrupt.sleep(0.01) is False
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    interrupt.stop()
    start = time.monotonic()
    assert interrupt.sleep(600.0) is True
    assert interrupt.join(thread) is False
    assert time.monotonic() - start < 300
    over.set()
    thread.join()
    assert Interrupt().join(thread) is True
