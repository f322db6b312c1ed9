"""The process of a client, seen from the one that measures."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from triton_otel import _clock
from triton_otel.cli.failure import CliError

__all__ = ["FOLDER", "WORKER", "ClientFailed", "Process", "Stopped"]

WORKER = ("-m", "triton_otel.cli.bench.worker")
"""What the Python of the process is told to run."""

FOLDER = Path(__file__).parents[3]
"""Where it runs, so that it imports the same package."""

_STEP = 0.1
_END = 10.0
_PATIENCE = 400.0


class ClientFailed(CliError):
    """A client could not do what it was told; ``trace`` is the traceback in its process."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


class Stopped(Exception):
    """The user has asked for the end."""


class Process:
    """The process of one client, or of several one after the other.

    Parameters:
        command: Arguments of the Python that it runs.
        folder: Its working directory.
        stopped: Asked while waiting; when it says true, the wait is given up.
    """

    def __init__(
        self,
        command: Sequence[str] = WORKER,
        folder: Path = FOLDER,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stopped = stopped
        self._child = subprocess.Popen(  # noqa: S603 - nothing foreign in it
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for the parent, which then closes the pipes.
            start_new_session=True,
            cwd=folder,
        )

    def order(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Tell it to do something and return what came of it.

        Raises:
            ClientFailed: It could not.
            Stopped: The user has asked for the end before it was done.
        """
        self.send(do, **arguments)
        return self.receive()

    def send(self, do: str, **arguments: Any) -> None:
        """Tell it to do something; :meth:`receive` returns what came of it."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            raise ClientFailed("the client's process ended") from None

    def receive(self) -> dict[str, Any]:
        """Return what came of the order; see :meth:`order`."""
        line = self._line()
        if not line:
            raise ClientFailed("the client's process ended")
        facts: dict[str, Any] = json.loads(line)
        if "error" in facts:
            raise ClientFailed(facts["error"], facts.get("trace", ""))
        return facts

    def _line(self) -> bytes:
        assert self._child.stdout is not None
        deadline = _clock.now() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while True:
                there = selector.select(_STEP)
                # Also where the answer is there: short turns are never waited for.
                if self._stopped():
                    raise Stopped
                if there:
                    break
                if _clock.now() > deadline:
                    raise ClientFailed(f"no answer within {_PATIENCE:g} s")
        # An answer is written at once, so the rest of the line is there or about to be.
        return self._child.stdout.readline()

    def close(self, *, at_once: bool = False) -> None:
        """End it.

        Parameters:
            at_once: Do not wait until it is done with what it is at.
        """
        if at_once:
            self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                # Bytes that it did not read any more.
                continue
        try:
            self._child.wait(_END)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
