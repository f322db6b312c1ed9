"""A forked child of a test's program: what it does, and that it ends well."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable

__all__ = ["ended", "in_child", "must_be_closed"]


def in_child(work: Callable[[], object]) -> int:
    """Do ``work`` in a forked child, which ends with it; return the child's process id."""
    with warnings.catch_warnings():
        if sys.version_info >= (3, 12):
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


def ended(pid: int) -> None:
    """Wait for a child, which must have done its work."""
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def must_be_closed(fd: int) -> None:
    """Check that a descriptor that the parent has is not open in this child."""
    try:
        os.fstat(fd)
    except OSError:
        return
    raise AssertionError("the descriptor is still open in the child")
