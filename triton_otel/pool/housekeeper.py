"""The one background thread of a process: it closes idle connections in time and writes the log fallback.

A task is anything with ``tick(now)``.  The thread lives while there are tasks, is a daemon, and holds no pool: a task
refers to its pool weakly and answers ``None`` when that is gone.
"""

from __future__ import annotations

import _thread
import contextlib
import logging
import os
import threading
from collections import deque
from typing import Protocol

from triton_otel import _clock

__all__ = ["HOUSEKEEPER", "Housekeeper", "Task"]

logger = logging.getLogger("triton_otel.housekeeper")

# A task may ask for a time that has passed already; this keeps it from spinning.
_SHORTEST_PAUSE = 0.005


class Task(Protocol):
    """Work that comes round."""

    def tick(self, now: float) -> float | None:
        """Do what is due and return when to be called next, in monotonic seconds; ``None`` for never again."""


class Housekeeper:
    """Calls tasks when they are due, in a daemon thread that exists only while there are tasks."""

    def __init__(self) -> None:
        # Reentrant: a garbage collection inside of a critical section may come upon an owner that closes its pool.
        self._lock = threading.RLock()
        self._due: dict[Task, float] = {}
        self._urgent: deque[Task] = deque()
        self._bell = self._new_bell()
        self._thread: threading.Thread | None = None

    @staticmethod
    def _new_bell() -> _thread.LockType:
        # A held lock, rung by releasing it: a release never blocks, so a finalizer may ring at any moment, also while
        # this very thread holds some other lock.
        bell = _thread.allocate_lock()
        bell.acquire()
        return bell

    def add(self, task: Task) -> None:
        """Take a task on; its first call comes at once."""
        with self._lock:
            self._due[task] = _clock.now()
            if self._thread is None:
                self._start()
        self._ring()

    def remove(self, task: Task) -> None:
        """Let a task go; a call that is running is not waited for."""
        with self._lock:
            self._due.pop(task, None)
        self._ring()

    def hurry(self, task: Task) -> None:
        """Have a task called now.  Takes no lock: made for finalizers."""
        self._urgent.append(task)
        self._ring()

    def running(self) -> bool:
        """Tell whether the thread exists."""
        return self._thread is not None

    def forget_thread(self) -> None:
        """Start over in a forked child, where the thread does not exist and the locks may be held by nobody."""
        self._lock = threading.RLock()
        self._bell = self._new_bell()
        self._thread = None
        self._urgent.clear()

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # already rung
            self._bell.release()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="triton-otel-housekeeper", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No thread to be had: the interpreter ends, or the system is at its limit.  Requests work without one.
            return
        self._thread = thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                pause = max(_SHORTEST_PAUSE, min(self._due.copy().values()) - _clock.now())
            self._bell.acquire(timeout=min(pause, threading.TIMEOUT_MAX))
            urgent = set()
            while self._urgent:
                urgent.add(self._urgent.popleft())
            now = _clock.now()
            with self._lock:
                ready = [task for task, due in self._due.copy().items() if due <= now or task in urgent]
            for task in ready:
                self._call(task, now)

    def _call(self, task: Task, now: float) -> None:
        try:
            due = task.tick(now)
        except Exception:
            due = now + 1.0
            with contextlib.suppress(Exception):
                logger.exception("a housekeeping task failed; it is tried again in a second")
        with self._lock:
            if task in self._due:
                if due is None:
                    del self._due[task]
                else:
                    self._due[task] = due


HOUSEKEEPER = Housekeeper()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HOUSEKEEPER.forget_thread)
