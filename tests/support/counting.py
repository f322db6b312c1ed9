"""A network backend that counts the sockets which its client holds, exactly: from before the connect to the close."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import httpcore


class CountingBackend(httpcore.NetworkBackend):
    """Counts sockets; ``peak`` is the most there ever were at once."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._lock = threading.Lock()
        self.now = 0
        self.peak = 0
        self.made = 0

    def _more(self) -> None:
        with self._lock:
            self.now += 1
            self.made += 1
            self.peak = max(self.peak, self.now)

    def less(self) -> None:
        with self._lock:
            self.now -= 1

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        self._more()
        try:
            return CountingStream(self, self._inner.connect_tcp(*args, **kwargs))
        except BaseException:
            self.less()
            raise

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class SlowBackend(CountingBackend):
    """Connects when it is told to; the first connects raise what is in ``failures``, by turns."""

    def __init__(self, *failures: BaseException) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.asked = 0
        self.failures = list(failures)

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        self.asked += 1
        assert self.gate.wait(15)
        if self.failures:
            raise self.failures.pop(0)
        return super().connect_tcp(*args, **kwargs)


class CountingStream(httpcore.NetworkStream):
    """A stream whose close is counted once."""

    def __init__(self, backend: CountingBackend, inner: httpcore.NetworkStream) -> None:
        self._backend = backend
        self._inner = inner
        self._open = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()
        with self._backend._lock:
            was, self._open = self._open, False
        if was:
            self._backend.less()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
