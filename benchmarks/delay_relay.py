"""A TCP relay that makes a local server as far away as a round trip of so many milliseconds.

Half of the round trip goes on each direction.  The handshake of TCP, which the kernel answers at once here, is charged
too: what the client sends first sets out one round trip after the relay accepted, as it would from a client that had
waited for the server's SYN-ACK.  Bytes are not slowed down otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from benchmarks.child import HOST, announce, end_with_the_parent
from triton_otel.cli.bench.limits import many_files


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, not_before: float) -> None:
    """Copy until the end, every chunk ``delay`` seconds later, and nothing before a time has come plus that delay."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                with contextlib.suppress(OSError, RuntimeError):
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while True:
            chunk = await reader.read(262_144)
            under_way.put_nowait((max(loop.time(), not_before) + delay, chunk))
            if not chunk:
                break
        await delivery
    finally:
        delivery.cancel()


async def relay(
    near_reader: asyncio.StreamReader,
    near_writer: asyncio.StreamWriter,
    host: str,
    port: int,
    round_trip: float,
) -> None:
    set_out = asyncio.get_running_loop().time() + round_trip
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        near_writer.close()
        return
    with contextlib.suppress(OSError):
        await asyncio.gather(
            pump(near_reader, far_writer, round_trip / 2, set_out),
            pump(far_reader, near_writer, round_trip / 2, 0.0),
        )
    for writer in (near_writer, far_writer):
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def serve(host: str, port: int, round_trip: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: relay(reader, writer, host, port, round_trip), HOST, 0, backlog=2048
    )
    announce({"host": HOST, "port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--round-trip", type=float, required=True, help="seconds")
    arguments = parser.parse_args()
    many_files()
    end_with_the_parent()
    asyncio.run(serve(arguments.host, arguments.port, arguments.round_trip))


if __name__ == "__main__":
    main()
