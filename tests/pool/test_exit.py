"""The interpreter ends at once and silently, whatever the pool was doing."""

from __future__ import annotations

import pytest
from support.certificates import client_pem, server_context
from support.raw_server import Peer, RawServer
from support.scripts import must_be_clean


def hold(peer: Peer) -> None:
    """Answer ``/``, and nothing else."""
    while (seen := peer.read()) is not None:
        if seen.target == "/":
            peer.reply()


PROGRAMS = {
    "an idle connection": "pool = ConnectionPool(); serves(pool, url)",
    "idle connections of a pool in a function": """
def use():
    pool = ConnectionPool(keepalive_expiry=60.0)
    pool.request("GET", url)
    keep.append(pool)
keep = []
use()
""",
    "an answer that is still open": "pool = ConnectionPool(); response = pool.handle_request(get(url))",
    "a daemon thread blocked in a read": """
pool = ConnectionPool()
threading.Thread(target=lambda: pool.request("GET", url + "silent"), daemon=True).start()
wait_for(lambda: pool.stats().opened == 1)
time.sleep(0.05)
""",
    "a daemon thread waiting in the queue": """
pool = ConnectionPool(max_connections=1)
response = pool.handle_request(get(url))
threading.Thread(target=lambda: pool.request("GET", url), daemon=True).start()
wait_for(lambda: pool.stats().queued == 1)
""",
    "many daemon threads at work": """
pool = ConnectionPool(max_connections=3)
def work():
    while True:
        pool.request("GET", url)
for _ in range(6):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
""",
    "a thread that works on after the main one has ended": """
pool = ConnectionPool()
def work():
    time.sleep(0.1)
    for _ in range(3):
        assert pool.request("GET", url).content == b"ok"
    print("worked on")
threading.Thread(target=work).start()
""",
    "a request at exit": """
import atexit
pool = ConnectionPool()
atexit.register(lambda: print(pool.request("GET", url).content))
""",
    "sys.exit in the middle of an answer": """
pool = ConnectionPool()
with pool.stream("GET", url) as response:
    sys.exit(0)
""",
    "a pool closed by hand": "pool = ConnectionPool(); serves(pool, url); pool.close()",
}


WITH_TLS = ["an idle connection", "an answer that is still open", "a daemon thread blocked in a read"]


@pytest.mark.parametrize(("name", "tls"), [*((name, False) for name in PROGRAMS), *((name, True) for name in WITH_TLS)])
def test_the_interpreter_ends_silently(name: str, tls: bool) -> None:
    with RawServer(hold, tls=server_context() if tls else None) as server:
        program = PROGRAMS[name].replace("ConnectionPool(", "ConnectionPool(ssl_context=context, ")
        head = """
import ssl
url, pem = sys.argv[1:3]
context = ssl.create_default_context(cadata=pem) if url.startswith("https") else None
"""
        out = must_be_clean(head + program, server.url, client_pem())
        assert out == {
            "a thread that works on after the main one has ended": "worked on\n",
            "a request at exit": "b'ok'\n",
        }.get(name, "")
        assert server.accepted >= 1
        server.settled(0)
