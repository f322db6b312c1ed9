"""A server that misbehaves at random, by seed: it hangs up, breaks answers, is busy, slow or late.

It speaks enough of Triton's API for a client (infer, metadata, health), and ``POST /echo`` for a bare pool.  An answer
can be checked against its request: it repeats the id, the payload and the payload's checksum.  The server counts
what it does, and how many connections were ever open at once, as the kernel sees them.

What it does to a connection that has answered before, and before a byte of the next answer, is what a fresh connection
would have avoided (``hang_up``); everything else (``broken``, ``busy``, ``late``) may cost the client a request.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import select
import socket
import ssl
import struct
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Chaos", "ChaosServer", "Moods"]

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR if hasattr(select, "POLLRDHUP") else select.POLLHUP
_PATIENCE = 20.0
_SMALL = 16 * 1024

HANG_UPS = ("announced", "fin", "rst", "idle", "unread", "unanswered", "until_close")
BROKEN = (
    *("nothing", "half_head", "half_body", "half_body_rst", "garbage", "too_short", "too_long"),
    *("two_lengths", "both_framings", "bad_chunk", "cut_chunks"),
)


@dataclass(frozen=True)
class Moods:
    """Chances, 0 to 1, of what happens to one request."""

    seed: int = 0
    hang_up: float = 0.0
    """The connection ends around this answer, in a way that costs the client nothing."""
    broken: float = 0.0
    """The answer is broken."""
    busy: float = 0.0
    """The answer is 503."""
    slow: float = 0.0
    """The answer comes in pieces, or chunked, or after interim ones; right all the same."""
    late: float = 0.0
    """The answer comes ``late_by`` seconds late."""
    late_by: float = 1.0
    pause: float = 0.0
    """Seconds, at most, that every answer takes to think of."""


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Broke(Exception):
    """The connection was ended on purpose."""


class Chaos:
    """The server on a running event loop; see :class:`ChaosServer` for one in a thread."""

    def __init__(self, moods: Moods) -> None:
        self.moods = moods
        self.accepted = 0
        self.requests = 0
        self.peak = 0
        self.played: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self._poll = select.poll()
        self._open: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Start on a free port of 127.0.0.1."""
        return await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024, ssl=tls, limit=2**20)

    def open(self) -> int:
        """Return how many connections are open at both ends."""
        return len(self._open) - len(self._poll.poll(0))

    def report(self) -> dict[str, Any]:
        """Return what was seen and done."""
        return {
            "accepted": self.accepted,
            "open": self.open(),
            "peak": self.peak,
            "requests": self.requests,
            "played": dict(sorted(self.played.items())),
            "failures": self.failures,
        }

    async def stop(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        fd = writer.get_extra_info("socket").fileno()
        if fd < 0:
            self._tasks.discard(task)
            return
        self._poll.register(fd, _GONE)
        self._open.add(fd)
        self.peak = max(self.peak, self.open())
        try:
            await _Connection(self, reader, writer, random.Random(f"{self.moods.seed}/{self.accepted}")).serve()
        except (Broke, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.failures.append(repr(error))
        finally:
            self._poll.unregister(fd)
            self._open.discard(fd)
            self._tasks.discard(task)
            writer.transport.abort()


class _Connection:
    def __init__(
        self, chaos: Chaos, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
    ) -> None:
        self._chaos = chaos
        self._reader = reader
        self._writer = writer
        self._chance = chance

    async def serve(self) -> None:
        served = 0
        while (asked := await self._read()) is not None:
            self._chaos.requests += 1
            await self._answer(asked)
            served += 1

    async def _read(self) -> Asked | None:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Asked(method, path, headers, body)

    async def _answer(self, asked: Asked) -> None:
        moods, chance, played = self._chaos.moods, self._chance, self._chaos.played
        if moods.pause:
            await asyncio.sleep(chance.random() * moods.pause)
        mood = chance.random()
        status, headers, body = reply(asked)
        for name, share in (("broken", moods.broken), ("busy", moods.busy), ("late", moods.late)):
            if mood < share:
                played[name] += 1
                if name == "broken":
                    await self._break(status, headers, body)
                    return
                if name == "late":
                    await asyncio.sleep(moods.late_by * (0.5 + chance.random()))
                else:
                    status, headers, body = 503, {}, b'{"error":"busy"}'
                break
            mood -= share
        how = chance.choice(HANG_UPS) if chance.random() < moods.hang_up else "stay"
        slow = chance.random() < moods.slow
        played[how] += 1
        await self._send(status, headers, body, how, slow)
        if how != "stay":
            await self._hang_up(how, at_once=len(body) < _SMALL and not slow)

    async def _send(self, status: int, headers: dict[str, str], body: bytes, how: str, slow: bool) -> None:
        if how == "announced":
            headers = {**headers, "Connection": "close"}
        way = self._chance.randrange(3) if slow else -1
        if how == "until_close":
            data = head_of(status, headers) + body
        elif way == 0:
            step = self._chance.randint(1, max(1, len(body)))
            pieces = [body[at : at + step] for at in range(0, len(body), step)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            data = head_of(status, {**headers, "Transfer-Encoding": "chunked"}) + chunks + b"0\r\n\r\n"
        else:
            data = head_of(status, {**headers, "Content-Length": str(len(body))}) + body
        if way == 1:
            data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + data
        if way == 2:
            # The head byte by byte, the body in a few pieces.
            for at in range(min(len(data), 60)):
                self._writer.write(data[at : at + 1])
                await self._writer.drain()
                await asyncio.sleep(0)
            data = data[60:]
            middle = self._chance.randint(0, len(data))
            self._writer.write(data[:middle])
            await asyncio.sleep(0.002)
            data = data[middle:]
        self._writer.write(data)
        await self._writer.drain()

    async def _hang_up(self, how: str, *, at_once: bool) -> None:
        if how == "idle":
            # A request that has begun to come is answered.
            with contextlib.suppress(asyncio.TimeoutError):
                asked = await asyncio.wait_for(self._read(), self._chance.random() * 0.03)
                if asked is not None:
                    self._chaos.requests += 1
                    status, headers, body = reply(asked)
                    await self._send(status, headers, body, "announced", slow=False)
        elif how == "unread":
            await self._reader.read(1)
            self._reset()
        elif how == "unanswered":
            await self._read()
        elif how == "rst" and at_once:
            # Only what has left in one segment is sure not to be thrown away with the connection.
            await asyncio.sleep(self._chance.random() * 0.005)
            self._reset()
        await self._flushed()
        raise Broke

    async def _flushed(self) -> None:
        """Send everything and the end, and wait until the client has closed: an abort would throw bytes away."""
        with contextlib.suppress(OSError, RuntimeError, NotImplementedError):
            self._writer.write_eof()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._reader.read(1), _PATIENCE)

    def _reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Broke

    async def _break(self, status: int, headers: dict[str, str], body: bytes) -> None:
        how = self._chance.choice(BROKEN)
        self._chaos.played[how] += 1
        length = {"Content-Length": str(len(body))}
        head = head_of(status, {**headers, **length})
        cut = self._chance.randint(0, max(0, len(body) - 1))
        write = self._writer.write
        if how == "half_head":
            write(head[: self._chance.randint(1, len(head) - 1)])
        elif how.startswith("half_body"):
            # Never the whole of it, also where there is no body.
            write(head[:-1] if not body else head + body[:cut])
        elif how == "garbage":
            write(b"\x00\xff" + self._chance.randbytes(40) + b"\r\n\r\n")
        elif how == "too_short":
            write(head_of(status, {**headers, "Content-Length": str(cut)}) + body)
        elif how == "too_long":
            write(head_of(status, {**headers, "Content-Length": str(len(body) + 1 + cut)}) + body)
        elif how == "two_lengths":
            write(head_of(status, {**headers, **length, "content-length": str(cut)}) + body)
        elif how == "both_framings":
            write(head_of(status, {**headers, **length, "Transfer-Encoding": "chunked"}) + b"0\r\n\r\n")
        elif how == "bad_chunk":
            write(head_of(status, {**headers, "Transfer-Encoding": "chunked"}) + b"5\r\nab\r\n0\r\n\r\n")
        elif how == "cut_chunks":
            write(head_of(status, {**headers, "Transfer-Encoding": "chunked"}) + b"%x\r\n" % (len(body) + 1) + body)
        if how == "half_body_rst":
            await asyncio.sleep(0.002)
            self._reset()
        await self._flushed()
        raise Broke


def head_of(status: int, headers: dict[str, str]) -> bytes:
    """Return the bytes of a head."""
    lines = [f"HTTP/1.1 {status} Said So", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reply(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """Return the right answer: status, headers without framing, body."""
    parts = asked.path.strip("/").split("/")
    if asked.path == "/echo":
        size, crc = len(asked.body), zlib.crc32(asked.body)
        return 200, {"X-Id": asked.headers.get("x-id", ""), "X-Size": str(size), "X-Crc": str(crc)}, asked.body
    if parts[:2] == ["v2", "health"] or parts[-1] == "ready":
        return 200, {}, b""
    if parts[-1] == "infer":
        return _infer(asked, parts[2])
    if parts[:2] == ["v2", "models"]:
        facts: dict[str, Any] = {"name": parts[2], "versions": ["1"], "platform": "chaos", "inputs": [], "outputs": []}
        return 200, {"Content-Type": "application/json"}, json.dumps(facts).encode()
    if parts == ["v2"]:
        return 200, {"Content-Type": "application/json"}, b'{"name":"chaos","version":"1","extensions":[]}'
    return 404, {"Content-Type": "application/json"}, b'{"error":"no such thing"}'


def _infer(asked: Asked, model: str) -> tuple[int, dict[str, str], bytes]:
    length = int(asked.headers["inference-header-content-length"])
    question, tensor = json.loads(asked.body[:length]), asked.body[length:]
    outputs = [
        {"name": "ECHO", "datatype": "UINT8", "shape": [len(tensor)], "parameters": {"binary_data_size": len(tensor)}},
        {"name": "CRC", "datatype": "UINT32", "shape": [1], "data": [zlib.crc32(tensor)]},
    ]
    answer = {"model_name": model, "model_version": "1", "id": question.get("id", ""), "outputs": outputs}
    head = json.dumps(answer).encode()
    return 200, {"Inference-Header-Content-Length": str(len(head))}, head + tensor


class ChaosServer:
    """The server in a thread of its own; a context manager.

    Parameters:
        moods: What it does to requests; may be changed while it runs, see :meth:`calm`.
        tls: Server context; every connection begins with a handshake.
    """

    def __init__(self, moods: Moods, *, tls: ssl.SSLContext | None = None) -> None:
        self.chaos = Chaos(moods)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._started: threading.Event = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-server")
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}/"

    def calm(self) -> None:
        """Answer everything rightly from now on."""
        self.chaos.moods = Moods()

    def report(self) -> dict[str, Any]:
        """Return what was seen and done, of one moment."""

        async def ask() -> dict[str, Any]:
            return self.chaos.report()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(_PATIENCE)

    def _run(self) -> None:
        async def main() -> None:
            server = await self.chaos.listen(self._tls)
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._stop.wait()
            server.close()
            await self.chaos.stop()
            # Before Python 3.12 the transports are not waited for.
            await asyncio.sleep(0)

        try:
            self._loop.run_until_complete(main())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the chaos server hangs"
        assert not self.chaos.failures, self.chaos.failures
