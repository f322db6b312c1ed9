"""Runs a program in an interpreter of its own, with every warning an error, and says what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

_TESTS = Path(__file__).resolve().parent.parent

HEAD = """
import faulthandler, gc, os, signal, sys, threading, time
faulthandler.dump_traceback_later(40, exit=True)
import httpcore
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Background, Peer, RawServer, wait_for
from triton_otel.pool import ConnectionPool
"""


def run_script(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a hang ends in a traceback on its standard error."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS.parent), str(_TESTS)])}
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", HEAD + textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, env=environment, check=False)


def must_be_clean(program: str, *arguments: str) -> str:
    """Run a program that must succeed and write nothing to standard error; return its output."""
    done = run_script(program, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
