"""The process of a client whose parent has gone before the answer ends without a word."""

from __future__ import annotations

import subprocess
import sys

from triton_otel.cli.bench.process import WORKER


def test_nobody_takes_the_answer() -> None:
    with subprocess.Popen(
        [sys.executable, *WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        # The first order is answered, so the process is up; nobody is there for the second one's answer.
        worker.stdin.write('{"do": "close"}\n')
        worker.stdin.flush()
        assert worker.stdout.readline() == "{}\n"
        worker.stdout.close()
        worker.stdin.write('{"do": "close"}\n')
        worker.stdin.flush()
        assert worker.stderr.read() == ""
    assert worker.returncode == 0
