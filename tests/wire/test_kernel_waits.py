"""Outside of the main thread the receive itself waits for an answer, and every limit holds as with a poll."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable

import httpcore
import pytest
from support.books import get, serves, settled
from support.raw_server import Background, Peer, RawServer, answer
from support.scripts import must_be_clean

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt
from triton_otel.wire.sending import PATIENCE, waits_itself

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every wait is a poll")

BODY = bytes(range(250)) * 400


def ask(pool: ConnectionPool, url: str, seconds: float = 20.0) -> bytes:
    now = _clock.now()
    return bytes(pool.exchange(get(url), Attempt(now, now + seconds), None)[2])


def answer_first(peer: Peer) -> None:
    """Answer a request and read the next: a used connection takes the shortest way."""
    peer.read()
    peer.reply()
    peer.read()


def calls(work: Callable[[], object]) -> Counter[str]:
    """Count the calls of functions in C."""
    seen: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, what: seen.update([what.__name__] if event == "c_call" else []))
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen


def test_one_call_less_for_the_answer(make_pool: Callable[..., ConnectionPool]) -> None:
    with RawServer() as server:
        pool = make_pool()
        ask(pool, server.url)
        # One poll looks whether the idle connection is good.
        here = calls(lambda: ask(pool, server.url))
        assert (here["poll"], here["recv_into"]) == (2, 1)
        there = Background(lambda: calls(lambda: ask(pool, server.url))).result()
        assert isinstance(there, Counter)
        assert (there["poll"], there["recv_into"]) == (1, 1)
        # With little time left it is the poll, which is to the millisecond, again.
        there = Background(lambda: calls(lambda: ask(pool, server.url, PATIENCE / 2))).result()
        assert isinstance(there, Counter)
        assert (there["poll"], there["recv_into"]) == (2, 1)


@pytest.mark.parametrize("sent", [0, 10, 90_000], ids=["nothing", "half a head", "half a body"])
def test_an_answer_that_takes_longer_than_the_kernel_waits(make_pool: Callable[..., ConnectionPool], sent: int) -> None:
    data = answer(BODY)

    def late(peer: Peer) -> None:
        answer_first(peer)
        peer.send(data[:sent])
        peer.server.stopping.wait(PATIENCE * 1.2)
        peer.send(data[sent:])
        Peer.serve(peer)

    with RawServer(Peer.serve, script=(late,)) as server:
        pool = make_pool()
        pool.request("GET", server.url)
        assert Background(lambda: ask(pool, server.url)).result() == BODY
        assert serves(pool, server.url).opened == 1


@pytest.mark.parametrize("sent", [0, 10, 90_000], ids=["nothing", "half a head", "half a body"])
def test_an_answer_that_never_ends(make_pool: Callable[..., ConnectionPool], sent: int) -> None:
    def silent(peer: Peer) -> None:
        answer_first(peer)
        peer.send(answer(BODY)[:sent])
        peer.server.stopping.wait(30)

    with RawServer(Peer.serve, script=(silent,)) as server:
        pool = make_pool()
        pool.request("GET", server.url)
        outcome = Background(lambda: ask(pool, server.url, PATIENCE * 1.5)).outcome()
        assert isinstance(outcome, httpcore.ReadTimeout)
        assert settled(pool).closed == {"error": 1}
        serves(pool, server.url)


@pytest.mark.parametrize("sent", [0, 90_000], ids=["nothing", "half a body"])
def test_closing_the_pool_ends_the_wait(make_pool: Callable[..., ConnectionPool], sent: int) -> None:
    asked = threading.Event()

    def silent(peer: Peer) -> None:
        answer_first(peer)
        peer.send(answer(BODY)[:sent])
        asked.set()
        peer.server.stopping.wait(30)

    with RawServer(silent) as server:
        pool = make_pool()
        pool.request("GET", server.url)
        asking = Background(lambda: ask(pool, server.url))
        assert asked.wait(20)
        pool.close()
        assert isinstance(asking.outcome(), httpcore.ReadError)
        assert pool.stats().total == 0


def test_somebody_has_used_the_network_stream_itself(make_pool: Callable[..., ConnectionPool]) -> None:
    with RawServer() as server:
        pool = make_pool()
        with pool.stream("GET", server.url) as response:
            sock = response.extensions["network_stream"].get_extra_info("socket")
            response.read()
        for mode in (0.0, 3.0, None):
            sock.settimeout(mode)
            assert ask(pool, server.url) == b"ok"
            assert sock.gettimeout() is None
        assert serves(pool, server.url).opened == 1


def test_signals_do_not_make_the_main_thread_wait_for_ever() -> None:
    must_be_clean("""
        from triton_otel import _clock
        from triton_otel.wire.phases import Attempt

        def silent(peer):
            peer.read()
            peer.reply()
            peer.read()
            peer.server.stopping.wait(300)

        with RawServer(silent) as server, ConnectionPool() as pool:
            pool.request("GET", server.url)
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
            now = _clock.now()
            try:
                pool.exchange(get(server.url), Attempt(now, now + 1.5), None)
            except httpcore.ReadTimeout:
                signal.setitimer(signal.ITIMER_REAL, 0)
            else:
                raise AssertionError
    """)


def test_the_thread_that_forked_is_the_main_thread_of_the_child() -> None:
    must_be_clean("""
        import warnings
        from triton_otel.wire import transport

        def fork():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                child = os.fork()
            if not child:
                os._exit(0 if transport._main == threading.get_ident() else 1)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        assert fork() == 0
        assert Background(fork).result() == 0
    """)


def test_a_socket_that_waits_in_its_own_way_is_polled() -> None:
    class Green(socket.socket):
        def recv_into(self, *arguments: object) -> int:
            raise AssertionError(arguments)

    with Green() as green:
        assert not waits_itself(green)
        assert green.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)
    assert not waits_itself(green)
    with socket.socket() as plain:
        assert waits_itself(plain)
    assert not waits_itself(plain)


def test_an_interrupt_ends_the_wait_of_the_main_thread() -> None:
    must_be_clean("""
        from triton_otel import _clock
        from triton_otel.wire.phases import Attempt

        def silent(peer):
            peer.read()
            peer.reply()
            peer.read()
            os.kill(os.getpid(), signal.SIGINT)
            peer.server.stopping.wait(30)

        with RawServer(Peer.serve, script=(silent,)) as server, ConnectionPool() as pool:
            pool.request("GET", server.url)
            now = _clock.now()
            try:
                pool.exchange(get(server.url), Attempt(now, now + 30), None)
            except KeyboardInterrupt:
                serves(pool, server.url)
            else:
                raise AssertionError
    """)
