"""Runs a command until it ends by itself or until this process's standard input is closed.

A test session starts its servers through this program and keeps the other end of the pipe.  However the session ends,
killed included, the pipe closes with it and the server is taken down.  Use: ``python guard.py COMMAND ARGUMENT...``
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

GRACE = 15.0
"""Seconds between the polite and the hard end of the command."""


def main(command: list[str]) -> int:
    """Run the command; return its exit status."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_the_parent() -> None:
        while os.read(0, 4096):
            pass
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()

    threading.Thread(target=end_with_the_parent, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
