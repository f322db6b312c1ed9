"""Connecting to a name within one time limit, over the look-up and all of the name's addresses."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Iterable

import httpcore

from triton_otel import _clock
from triton_otel.wire.stream import looked_up

__all__ = ["BoundedBackend"]

_TOO_LATE = "the time to connect is over"


class BoundedBackend(httpcore.SyncBackend):
    """httpcore's sockets, with a time-out that means the whole of a connect.

    httpcore's own gives every address of a name the full time-out, one after the other, and the look-up none.  Here
    each address gets an even share of what is left, so that one which swallows packets leaves time for the next.
    """

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within ``timeout`` seconds; see httpcore.

        Raises:
            httpcore.ConnectTimeout: The time is over.
            httpcore.ConnectError: The name is not known, or no address took the connection.
        """
        if timeout is None:
            return super().connect_tcp(host, port, None, local_address, socket_options)
        ends = _clock.now() + timeout
        addresses = _addresses(host, port, timeout)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        try:
            for index, address in enumerate(addresses):
                left = ends - _clock.now()
                if left <= 0:
                    raise httpcore.ConnectTimeout(_TOO_LATE) from failure
                share = left / (len(addresses) - index)
                try:
                    return super().connect_tcp(address, port, share, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            raise failure
        finally:
            # A frame that holds what it raises is a cycle: it would keep the request until a collection.
            del failure


def _addresses(host: str, port: int, timeout: float) -> list[str]:
    """Return the addresses of a host in the resolver's order, each once."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _looked_up(host, port, timeout)
    return [host]


def _looked_up(host: str, port: int, timeout: float) -> list[str]:
    # The resolver of the C library cannot be told to hurry, so it runs in a thread that is left behind when it is late.
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="triton-otel-lookup", daemon=True).start()
    started = _clock.now()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"the look-up of {host} took too long") from None
    finally:
        looked_up(started)
    if isinstance(answer, list):
        return answer
    raise httpcore.ConnectError(str(answer)) from answer
