"""Which event loop runs, and how to close a stream without waiting."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from threading import get_ident
from typing import Any

__all__ = ["close_now", "drop_now", "running_loop", "runs_here"]


def running_loop() -> Any:
    """Return what stands for the event loop that runs here: asyncio's loop, or trio's token.

    Raises:
        RuntimeError: None runs.
    """
    trio = sys.modules.get("trio")
    # First: as a guest trio runs inside of another loop, asyncio's for one.
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def runs_here(loop: Any) -> bool:
    """Tell whether an event loop is known to be the one that runs here; ``False`` where :func:`running_loop` must say.

    That one has asyncio ask the kernel for the process's number each time.
    """
    if getattr(loop, "_thread_id", None) != get_ident():
        return False
    trio = sys.modules.get("trio")
    return trio is None or not trio.lowlevel.in_trio_run()


def close_now(closable: Any) -> None:
    """Close a stream or a connection of httpcore's at once, without a wait that could be cancelled.

    Each of httpcore's streams lets its socket go before it waits for the first time, so its ``aclose()`` is started and
    left there.  What is still to be sent is not waited for: a peer that does not read would keep the socket.
    """
    abort = getattr(closable, "abort", None)
    if abort is not None:
        abort()
        return
    extra = getattr(closable, "get_extra_info", None)
    if extra is not None:
        with contextlib.suppress(Exception):
            sock = extra("socket")
            sock.shutdown(2)
    try:
        closing = closable.aclose()
        closing.send(None)
    except StopIteration:
        return
    except Exception:  # noqa: BLE001 - whatever a stream says whose loop has ended, its socket must not stay open
        drop_now(closable)
        return
    with contextlib.suppress(Exception):
        closing.close()


def drop_now(stream: Any) -> None:
    """Close the socket of a stream and nothing else: no byte is sent, no event loop is told.

    For a forked child, whose loop is the parent's, and for streams whose loop has ended.
    """
    with contextlib.suppress(Exception):
        sock = stream.get_extra_info("socket")
        # asyncio and trio put their own object before the socket.
        inner = getattr(sock, "_sock", sock)
        inner.close()
