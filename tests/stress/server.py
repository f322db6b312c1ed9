"""The chaos server in a process of its own: settings in its arguments, port and reports as lines on its output."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

_TESTS = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(_TESTS)]

from support.chaos import Chaos, Moods  # noqa: E402 - in the process of the server the path is set first

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ServerProcess"]

_PATIENCE = 20.0


class ServerProcess:
    """The parent's side; a context manager.  The server ends with its standard input, so it never outlives its parent.

    Parameters:
        moods: What the server does to requests.
    """

    def __init__(self, moods: Moods) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(dataclasses.asdict(moods))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lock = threading.Lock()
        self.port: int = self._read()["port"]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def report(self) -> dict[str, Any]:
        """Return what it has seen and done."""
        return self._say("report")

    def calm(self) -> None:
        """Have it answer everything rightly from now on."""
        self._say("calm")

    def _say(self, word: str) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(word + "\n")
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server has ended with {self._process.wait(_PATIENCE)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


async def _serve(moods: Moods) -> None:
    chaos = Chaos(moods)
    server = await chaos.listen()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    loop = asyncio.get_running_loop()
    while word := await loop.run_in_executor(None, sys.stdin.readline):
        if word.strip() == "calm":
            chaos.moods = Moods()
        print(json.dumps(chaos.report()), flush=True)
    server.close()
    await chaos.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Moods(**json.loads(sys.argv[1]))))
