"""The ways in which an embedded server can misbehave.

A fault is played in place of the right answer to one request.  Most write their bytes past uvicorn, which would refuse
to send them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from triton_otel.errors import ConfigError
from triton_otel.testing import answer as answers
from triton_otel.testing.answer import render_head
from triton_otel.testing.exchange import ClientGone, Exchange

__all__ = ["Fault"]

_Play = Callable[[Exchange], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One kind of misbehaviour; made by the class methods, given to ``EmbeddedTriton.inject``.

    A fault of one's own is ``Fault("name", coroutine_function)`` with a function that gets an
    :class:`~triton_otel.testing.Exchange`.

    Parameters:
        name: What it is called in ``repr``.
        play: What it does with a request; ``None`` for a fault at the accept.
        wait: Seconds before it does anything.
        at_accept: What is done with a connection as soon as it is accepted: ``"close"``, ``"reset"`` or ``"hang"``.

    Raises:
        ConfigError: Both or neither of ``play`` and ``at_accept``.
    """

    name: str
    play: _Play | None = None
    wait: float = 0.0
    at_accept: Literal["close", "reset", "hang"] | None = None

    def __post_init__(self) -> None:
        if (self.play is None) == (self.at_accept is None):
            raise ConfigError(f"fault {self.name!r} must have either play or at_accept")

    def __repr__(self) -> str:
        return f"<Fault {self.name}>"

    async def perform(self, exchange: Exchange) -> None:
        """Play the fault for one request."""
        if self.wait:
            await asyncio.sleep(self.wait)
        if self.play is not None:
            with suppress(ClientGone):
                await self.play(exchange)

    @classmethod
    def delay(cls, seconds: float) -> Fault:
        """The right answer, but ``seconds`` late."""
        return cls(f"delay({seconds:g})", _answer, wait=seconds)

    @classmethod
    def status(cls, code: int, message: str = "injected fault", *, headers: Mapping[str, str] | None = None) -> Fault:
        """An error with this status and Triton's ``{"error": message}``; the connection stays in use."""
        reply = answers.error(code, message)
        return cls.answer(code, reply.body(), headers={"Content-Type": "application/json", **(headers or {})})

    @classmethod
    def answer(cls, status: int = 200, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> Fault:
        """This answer, with the Content-Length that fits it; the connection stays in use.

        For answers whose content lies.  Header values are not checked; a status of 204 or 304 is sent without a body.
        """
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        if status in {204, 304}:
            return cls._bytes(f"answer({status})", render_head(status, lines))
        return cls._bytes(
            f"answer({status})", render_head(status, [*lines, (b"Content-Length", b"%d" % len(body))]) + body
        )

    @classmethod
    def raw(cls, data: bytes, *, then: Literal["keep", "close", "reset", "hang"] = "close") -> Fault:
        """These bytes in place of an answer, then keep the connection in use, close it, reset it or hang."""
        return cls._bytes("raw", data, then)

    @classmethod
    def garbage(cls, data: bytes = b"\x00\xff\x00garbage\xff\r\n\r\n") -> Fault:
        """Bytes that are not HTTP, then FIN."""
        return cls._bytes("garbage", data, "close")

    @classmethod
    def reset(cls) -> Fault:
        """RST once the request is read, not a byte of an answer."""

        async def play(exchange: Exchange) -> None:
            await exchange.read()
            await exchange.close(reset=True)

        return cls("reset", play)

    @classmethod
    def close(cls) -> Fault:
        """FIN once the request is read, not a byte of an answer."""

        async def play(exchange: Exchange) -> None:
            await exchange.read()
            await exchange.close()

        return cls("close", play)

    @classmethod
    def hang(cls) -> Fault:
        """No answer ever; ends when the client closes or the server stops."""

        async def play(exchange: Exchange) -> None:
            await exchange.gone()

        return cls("hang", play)

    @classmethod
    def half_head(cls, *, reset: bool = False) -> Fault:
        """The first half of the answer's head, then FIN or RST."""

        async def play(exchange: Exchange) -> None:
            head, _ = await exchange.rendered()
            await _cut(exchange, head[: len(head) // 2], reset)

        return cls("half_head", play)

    @classmethod
    def half_answer(cls, fraction: float = 0.5, *, reset: bool = False) -> Fault:
        """The head and ``fraction`` (0 to 1) of the body, then FIN or RST; never the whole body."""

        async def play(exchange: Exchange) -> None:
            head, body = await exchange.rendered()
            whole = head + body
            await _cut(exchange, whole[: min(len(head) + int(len(body) * fraction), len(whole) - 1)], reset)

        return cls(f"half_answer({fraction:g})", play)

    @classmethod
    def drip(cls, pause: float = 0.001, *, step: int = 1) -> Fault:
        """The right answer in pieces of ``step`` bytes, with ``pause`` seconds after each."""

        async def play(exchange: Exchange) -> None:
            data = b"".join(await exchange.rendered())
            for start in range(0, len(data), step):
                exchange.write(data[start : start + step])
                await asyncio.sleep(pause)
            await exchange.finish()

        return cls(f"drip({pause:g})", play)

    @classmethod
    def content_length(cls, difference: int, *, then: Literal["keep", "close", "hang"] | None = None) -> Fault:
        """The right answer, but its Content-Length is off by ``difference``.

        Too large, the server closes after the body, or never says more (``then="hang"``).  Too small, the last bytes
        are surplus on a connection that stays in use, or is closed.
        """
        end = then or ("close" if difference > 0 else "keep")

        async def play(exchange: Exchange) -> None:
            answer = await exchange.answer()
            claimed = max(0, answer.length + difference)
            head = render_head(answer.status, [*answer.headers, (b"content-length", b"%d" % claimed)])
            await _write_then(exchange, head + answer.body(), end)

        return cls(f"content_length({difference:+d})", play)

    @classmethod
    def duplicate_length(cls, difference: int = 0) -> Fault:
        """The right answer with a second Content-Length, larger by ``difference``; the connection stays in use."""

        async def play(exchange: Exchange) -> None:
            answer = await exchange.answer()
            lengths = [(b"content-length", b"%d" % (answer.length + more)) for more in (0, difference)]
            await _write_then(exchange, render_head(answer.status, [*answer.headers, *lengths]) + answer.body(), "keep")

        return cls(f"duplicate_length({difference:+d})", play)

    @classmethod
    def close_after(cls, *, announced: bool, wait: float = 0.0, reset: bool = False) -> Fault:
        """The right answer, then the server closes.

        Parameters:
            announced: With ``Connection: close`` in the answer, or silently.
            wait: Seconds between the answer and the close.
            reset: Close with a RST in place of a FIN.
        """

        async def play(exchange: Exchange) -> None:
            answer = await exchange.answer()
            extra = [(b"connection", b"close")] if announced else []
            head = render_head(answer.status, [*answer.headers, *extra, (b"content-length", b"%d" % answer.length)])
            exchange.write(head + answer.body())
            if wait:
                await asyncio.sleep(wait)
            await exchange.close(reset)

        return cls("close_after(announced)" if announced else "close_after(silent)", play)

    @classmethod
    def surplus(cls, data: bytes = b"surplus", *, wait: float | None = None) -> Fault:
        """The right answer and more bytes after it; the connection stays in use.

        Parameters:
            data: The bytes that belong to nothing.
            wait: Seconds before they follow, on the then idle connection; ``None`` sends them together with the answer.
        """

        async def play(exchange: Exchange) -> None:
            rendered = b"".join(await exchange.rendered())
            if wait is None:
                await _write_then(exchange, rendered + data, "keep")
                return
            await _write_then(exchange, rendered, "keep")
            await asyncio.sleep(wait)
            exchange.write(data)

        return cls("surplus", play)

    @classmethod
    def interim(cls, status: int = 103, *, times: int = 1, headers: Mapping[str, str] | None = None) -> Fault:
        """``times`` interim answers (100, 102, 103) before the right one."""
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]

        async def play(exchange: Exchange) -> None:
            exchange.write(render_head(status, lines) * times)
            await exchange.send(await exchange.answer())

        return cls(f"interim({status})", play)

    @classmethod
    def early(
        cls, code: int = 413, message: str = "request too large", *, body: Literal["drain", "stall", "reset"] = "drain"
    ) -> Fault:
        """An error with ``Connection: close`` as soon as the request's head is there.

        Parameters:
            code: Status.
            message: Text of the error.
            body: What becomes of the request's body: ``"drain"`` reads and drops it until the client closes,
                ``"stall"`` takes no more of it until the server stops, ``"reset"`` breaks the connection off.
        """
        reply = answers.error(code, message)
        head = render_head(code, [*reply.headers, (b"connection", b"close"), (b"content-length", b"%d" % reply.length)])
        data = head + reply.body()

        async def play(exchange: Exchange) -> None:
            exchange.write(data)
            if body == "reset":
                await exchange.close(reset=True)
            elif body == "stall":
                exchange.pause_reading()
                await asyncio.get_running_loop().create_future()
            else:
                exchange.half_close()
                await exchange.gone()

        return cls(f"early({code})", play)

    @classmethod
    def chunked(cls, pieces: int = 3, *, pause: float = 0.0, cut: bool = False, trailer: bool = False) -> Fault:
        """The right answer with ``Transfer-Encoding: chunked`` in ``pieces`` chunks.

        Parameters:
            pieces: Number of chunks.
            pause: Seconds after each chunk.
            cut: Close before the last, empty chunk.
            trailer: Put a header after the last chunk.
        """

        async def play(exchange: Exchange) -> None:
            answer = await exchange.answer()
            exchange.write(render_head(answer.status, [*answer.headers, (b"transfer-encoding", b"chunked")]))
            body = answer.body()
            step = max(1, -(-len(body) // pieces))
            for start in range(0, len(body), step):
                chunk = body[start : start + step]
                exchange.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                if pause:
                    await asyncio.sleep(pause)
            if cut:
                await exchange.close()
                return
            await _write_then(exchange, b"0\r\nx-trailer: yes\r\n\r\n" if trailer else b"0\r\n\r\n", "keep")

        return cls("chunked", play)

    @classmethod
    def until_close(cls) -> Fault:
        """The right answer without a length: its end is the end of the connection."""

        async def play(exchange: Exchange) -> None:
            answer = await exchange.answer()
            await _write_then(exchange, render_head(answer.status, answer.headers) + answer.body(), "close")

        return cls("until_close", play)

    @classmethod
    def accept(cls, action: Literal["close", "reset", "hang"]) -> Fault:
        """What happens to a new connection: closed, reset, or neither read nor, with TLS, shaken hands with."""
        return cls(f"accept({action})", at_accept=action)

    @classmethod
    def _bytes(cls, name: str, data: bytes, then: Literal["keep", "close", "reset", "hang"] = "keep") -> Fault:
        async def play(exchange: Exchange) -> None:
            await exchange.read()
            await _write_then(exchange, data, then)

        return cls(name, play)


async def _answer(exchange: Exchange) -> None:
    await exchange.send(await exchange.answer())


async def _cut(exchange: Exchange, data: bytes, reset: bool) -> None:
    exchange.write(data)
    if reset:
        # The bytes must have left before the RST, which would overtake them.
        await asyncio.sleep(0.02)
    await exchange.close(reset)


async def _write_then(exchange: Exchange, data: bytes, then: Literal["keep", "close", "reset", "hang"]) -> None:
    exchange.write(data)
    if then == "keep":
        await exchange.finish()
    elif then == "hang":
        await exchange.gone()
    else:
        await exchange.close(reset=then == "reset")
