"""A forked child starts with an empty pool; the parent's connections stay as they were."""

from __future__ import annotations

import os

import pytest
from support.certificates import client_pem, server_context
from support.raw_server import Peer, RawServer
from support.scripts import must_be_clean

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

START = """
url, pem = sys.argv[1:3]
import ssl
from support.forking import ended, in_child, must_be_closed
context = ssl.create_default_context(cadata=pem) if url.startswith("https") else None

pool = ConnectionPool(max_connections=3, ssl_context=context, keepalive_expiry=60.0)
"""


def forking(program: str, *, tls: bool = False, handler=Peer.serve) -> RawServer:  # type: ignore[no-untyped-def]
    with RawServer(handler, tls=server_context() if tls else None) as server:
        must_be_clean(START + program, server.url, client_pem())
        server.settled(0)
    return server


@pytest.mark.parametrize("tls", [False, True])
def test_the_child_has_an_empty_pool_and_the_parents_connection_lives(tls: bool) -> None:
    server = forking(
        """
serves(pool, url)
def child():
    stats = pool.stats()
    assert (stats.idle, stats.active, stats.total, stats.queued) == (0, 0, 0, 0), stats
    assert dict(stats.closed) == {"forked": 1}, stats
    assert pool.connections == []
    assert pool.request("GET", url).content == b"ok"
    assert pool.stats().opened == 1
    from triton_otel.pool.housekeeper import HOUSEKEEPER
    assert HOUSEKEEPER.running()
    gc.collect()
    pool.close()
ended(in_child(child))
stats = serves(pool, url)
assert (stats.opened, stats.acquired_reused, stats.closed) == (1, 1, {}), stats
pool.close()
""",
        tls=tls,
    )
    assert [seen.connection for seen in server.seen] == [1, 2, 1]


def test_the_child_of_a_child() -> None:
    forking(
        """
serves(pool, url)
def grandchild():
    assert pool.stats().total == 0
    serves_plain()
def serves_plain():
    assert pool.request("GET", url).content == b"ok"
def child():
    serves_plain()
    ended(in_child(grandchild))
    serves_plain()
    assert pool.stats().acquired_reused == 1
ended(in_child(child))
serves(pool, url)
pool.close()
"""
    )


def test_the_child_lets_go_of_the_parents_descriptors() -> None:
    """The parent's close is seen by the server though the child lives on."""
    forking(
        """
serves(pool, url)
fd = pool.connections[0]._connection._network_stream.get_extra_info("socket").fileno()
read, write = os.pipe()
done_read, done_write = os.pipe()
def child():
    os.close(write)
    must_be_closed(fd)
    os.write(done_write, b"x")
    os.read(read, 1)
pid = in_child(child)
os.read(done_read, 1)
pool.close()
os.close(write)
ended(pid)
"""
    )


def test_fork_with_a_lease_out_and_requests_waiting() -> None:
    server = forking(
        """
small = ConnectionPool(max_connections=1)
response = small.handle_request(get(url))
waiting = Background(lambda: small.request("GET", url).content)
wait_for(lambda: small.stats().queued == 1)
def child():
    stats = small.stats()
    assert (stats.total, stats.queued) == (0, 0), stats
    assert small.request("GET", url).content == b"ok"
    try:
        response.read()
    except httpcore.NetworkError:
        pass
    response.close()
    assert small.stats().total == 1
    assert small.request("GET", url).content == b"ok"
ended(in_child(child))
assert response.read() == b"ok"
response.close()
assert waiting.result() == b"ok"
stats = serves(small, url)
assert stats.opened == 1
small.close()
pool.close()
"""
    )
    assert server.accepted == 2


def test_fork_while_other_threads_use_the_pool_and_hold_its_lock() -> None:
    forking(
        """
stop = threading.Event()
def work():
    while not stop.is_set():
        assert pool.request("GET", url).content == b"ok"
calls = [Background(work) for _ in range(6)]
def child():
    assert pool.stats().total == 0
    for _ in range(3):
        assert pool.request("GET", url).content == b"ok"
    pool.close()
for _ in range(15):
    ended(in_child(child))
# The worst moment of all: the lock is held by a thread that does not exist in the child.
held, free = threading.Event(), threading.Event()
def hold():
    with pool._leases._lock:
        held.set()
        free.wait(20)
holder = Background(hold)
held.wait(20)
pid = in_child(child)
free.set()
holder.result()
ended(pid)
stop.set()
for call in calls:
    call.result()
serves(pool, url)
pool.close()
"""
    )


def test_a_dropped_answer_of_the_parent_is_nothing_to_the_child() -> None:
    forking(
        """
response = pool.handle_request(get(url))
def child():
    global response
    response = None
    gc.collect()
    assert pool.request("GET", url).content == b"ok"
    wait_for(lambda: pool.stats().active == 0)
    assert (pool.stats().total, pool.stats().closed) == (1, {"forked": 1})
    pool.close()
ended(in_child(child))
assert response.read() == b"ok"
response.close()
assert serves(pool, url).opened == 1
pool.close()
"""
    )
