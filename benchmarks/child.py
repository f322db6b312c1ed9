"""What every process of the benchmark has in common: it says where it listens, and it ends with its parent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

HOST = "127.0.0.1"


def announce(facts: dict[str, Any]) -> None:
    """Tell the parent that this server is up, and where."""
    print(json.dumps(facts), flush=True)


def end_with_the_parent() -> None:
    """End this process when its standard input closes, which it does however the parent ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def listen() -> socket.socket:
    """Return a socket that listens on a free port, with room for a burst of connections."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, 0))
    listener.listen(2048)
    return listener


class Server:
    """A server of the benchmark in a process of its own.  A context manager.

    Parameters:
        module: The module to run, as ``identity_server``.
        arguments: Its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the parent, which then closes the pipes.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"benchmarks.{module} did not start")
        self.facts: dict[str, Any] = json.loads(line)

    @property
    def port(self) -> int:
        return int(self.facts["port"])

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
