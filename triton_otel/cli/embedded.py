"""The embedded server in a process of its own, so that it does not share the client's interpreter.

``python -m triton_otel.cli.embedded`` is the child: it writes one line of JSON, ``{"url": ...}`` or ``{"error": ...}``,
and serves until its standard input is closed.  The parent holds the other end of that pipe, so the child ends with it,
also when the parent is killed.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from triton_otel import _clock
from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["EmbeddedProcess", "main"]

COMMAND = ("-m", "triton_otel.cli.embedded")
"""What the Python of the child is told to run."""

START = 30.0
"""Seconds that the child has for its start."""

_END = 5.0
_STEP = 0.05

# Long before this many bytes there is a newline in what a child of ours writes.
_LINE = 65_536


class EmbeddedProcess:
    """The child, seen from its parent.  A context manager: ``with`` starts it and ends it.

    Parameters:
        stopped: Asked while waiting for the start; when it says true, the wait is given up.

    Attributes:
        url: Where the server is; empty when the wait was given up.
        pid: Process id of the child.
    """

    def __init__(self, stopped: Callable[[], bool] = lambda: False) -> None:
        self.url = ""
        self.pid = 0
        self._stopped = stopped
        self._child: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._complaints = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C in the terminal is for the parent, which ends the child when it has closed its
        # connections.  The folder makes sure that the child imports the same package as the parent.
        self._child = subprocess.Popen(  # noqa: S603 - nothing foreign in it
            [sys.executable, *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
            cwd=Path(__file__).parents[2],
        )
        self.pid = self._child.pid
        try:
            self._await_url(self._child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the child; does nothing when it has ended."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None and child.stdout is not None:
            child.stdin.close()
            try:
                child.wait(_END)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()
        complaints, self._complaints = self._complaints, None
        if complaints is not None:
            complaints.close()

    def _await_url(self, child: subprocess.Popen[bytes]) -> None:
        line = self._first_line(child)
        if line is None:
            return
        try:
            said: Any = json.loads(line)
        except ValueError:
            said = {}
        if "url" not in said:
            raise CliError(f"the embedded server did not start: {said.get('error') or self._last_words()}")
        self.url = str(said["url"])

    def _first_line(self, child: subprocess.Popen[bytes]) -> bytes | None:
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        line = b""
        deadline = _clock.now() + START
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not self._stopped():
                if _clock.now() > deadline:
                    raise CliError(f"the embedded server did not start within {START:g} s")
                if not selector.select(_STEP):
                    continue
                more = os.read(descriptor, _LINE)
                line += more
                if not more or line.endswith(b"\n"):
                    return line
        return None

    def _last_words(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return one_line(lines[-1]) if lines else "its process ended without a word"


def main() -> int:
    """Serve until standard input is closed; return the exit status."""
    from triton_otel.testing import EmbeddedTriton

    try:
        server = EmbeddedTriton(keep=1).start()
    except Exception as error:  # noqa: BLE001 - told to the parent
        _say({"error": one_line(str(error)) or type(error).__name__})
        return 1
    try:
        _say({"url": server.url})
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        server.stop()
    return 0


def _say(message: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
