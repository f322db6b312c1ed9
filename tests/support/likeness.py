"""What a user can see of a pool: reprs, trace events, log records, answers and exceptions, made comparable."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpcore


class Watch:
    """Writes down what happens; ``seen`` of two runs can be compared.

    Parameters:
        pool_class: Class of the pools to look at.
    """

    def __init__(self, pool_class: type[httpcore.ConnectionPool]) -> None:
        self.pool_class = pool_class
        self.seen: list[object] = []
        self.names: dict[str, str] = {}
        self.pools: list[httpcore.ConnectionPool] = []

    def pool(self, **arguments: Any) -> httpcore.ConnectionPool:
        """Make a pool that is closed at the end."""
        pool = self.pool_class(**arguments)
        self.pools.append(pool)
        return pool

    def note(self, *what: object) -> None:
        """Write something down."""
        self.seen.append(tuple(self.plain(item) for item in what))

    def plain(self, what: object) -> object:
        """Take out what differs from run to run: addresses in memory, ports, paths."""
        if not isinstance(what, str):
            return what if isinstance(what, (int, bytes, type)) else self.plain(repr(what))
        text = re.sub(r"0x[0-9a-f]+", "0x", what)
        # The text of an exception may differ, its type may not.
        text = re.sub(r"(\.failed exception=\w+)\(.*", r"\1", text)
        for secret, name in self.names.items():
            text = text.replace(secret, name)
        return text

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """Take a trace event."""
        self.note("trace", name, {key: str(type(value)) if "exc" in key else value for key, value in info.items()})

    def look(self, pool: httpcore.ConnectionPool) -> None:
        """Write down how the pool and its connections present themselves."""
        self.note("pool", repr(pool), [repr(connection) for connection in pool.connections])

    def asked(self, pool: httpcore.ConnectionPool, method: str, url: str, **arguments: Any) -> None:
        """Send a request, and write down the answer or the exception, and the pool after it."""
        extensions = {"trace": self.trace, "timeout": {"read": 10.0, "pool": 10.0}, **arguments.pop("extensions", {})}
        try:
            response = pool.request(method, url, extensions=extensions, **arguments)
        except Exception as error:
            self.note("raised", type(error))
        else:
            self.answered(response)
            self.note("content", response.content)
        self.look(pool)

    def answered(self, response: httpcore.Response) -> None:
        """Write down the head of an answer."""
        self.note("answer", response.status, response.headers, sorted(response.extensions))
        self.note(response.extensions["http_version"], response.extensions["reason_phrase"])

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Write down httpcore's log records of level DEBUG."""
        logger = logging.getLogger("httpcore")
        handler = _Handler(self)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            for pool in self.pools:
                pool.close()
                self.look(pool)
            logger.removeHandler(handler)
            logger.setLevel(level)


class AsyncWatch(Watch):
    """The same for asynchronous pools.

    Parameters:
        pool_class: Class of the pools to look at.
    """

    def __init__(self, pool_class: type[httpcore.AsyncConnectionPool]) -> None:
        super().__init__(pool_class)  # type: ignore[arg-type]

    def pool(self, **arguments: Any) -> Any:
        """Make a pool that is closed at the end."""
        return super().pool(**arguments)

    def plain(self, what: object) -> object:
        """Take out the name of the stream's class as well: asyncio's sockets are called by a class of our own."""
        text = super().plain(what)
        return re.sub(r"<[\w.]+Stream object at \w+>", "<stream>", text) if isinstance(text, str) else text

    async def trace(self, name: str, info: dict[str, Any]) -> None:  # type: ignore[override]
        """Take a trace event."""
        super().trace(name, info)

    async def asked(self, pool: Any, method: str, url: str, **arguments: Any) -> None:  # type: ignore[override]
        """Send a request, and write down the answer or the exception, and the pool after it."""
        extensions = {"trace": self.trace, "timeout": {"read": 10.0, "pool": 10.0}, **arguments.pop("extensions", {})}
        try:
            response = await pool.request(method, url, extensions=extensions, **arguments)
        except Exception as error:
            self.note("raised", type(error))
        else:
            self.answered(response)
            self.note("content", response.content)
        self.look(pool)

    @contextlib.asynccontextmanager
    async def listening_async(self) -> AsyncIterator[None]:
        """Write down httpcore's log records of level DEBUG."""
        pools, self.pools = self.pools, []
        with self.listening():
            try:
                yield
            finally:
                pools, self.pools = self.pools, pools
                for pool in pools:
                    await pool.aclose()  # type: ignore[attr-defined]
                    self.look(pool)


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.note("log", record.name, record.levelname, record.getMessage())
