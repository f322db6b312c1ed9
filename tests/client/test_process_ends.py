"""Fork and interpreter exit: no hang, no warning, and nobody touches another process's sockets."""

from __future__ import annotations

import pytest

PRELUDE = """
import atexit, os, sys, threading
import numpy as np
from triton_otel import TritonClient, ConnectionPoolConfig
X = {"INPUT0": np.arange(3, dtype=np.float32)}
url = sys.argv[1]
def infer(client):
    result = client.infer("identity", X)
    assert result["OUTPUT0"].tolist() == [0.0, 1.0, 2.0]
    return result.connection
"""


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
def test_a_forked_child_has_connections_of_its_own(server, run_python):
    program = """
from triton_otel.client import registry
client = TritonClient(url, pool=ConnectionPoolConfig(monitoring=True, stats_interval=0.05))
first = infer(client)
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    try:
        stats = client.pool_stats()
        assert (stats.idle, stats.active, stats.total) == (0, 0, 0), stats
        assert stats.closed == {"forked": 1}, stats
        mine = infer(client)
        assert not mine.reused
        assert infer(client).reused
        assert registry.references() == {client.pool_name: 1}
        with TritonClient(url, pool=ConnectionPoolConfig(monitoring=True, stats_interval=0.05)) as other:
            assert other.pool_name == client.pool_name
            assert infer(other).id == mine.id
        client.close()
        assert registry.references() == {}
        assert client.pool_stats().total == 0
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
again = infer(client)
assert (again.id, again.reused, again.requests) == (first.id, True, 2)
client.close()
print("done")
"""
    assert run_python(PRELUDE + program, server.url) == "done\n"
    assert (server.requests, server.connections_accepted) == (5, 2)
    server.wait_for(lambda: server.connections_open == 0)


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
def test_a_fork_while_other_threads_open_and_close(server, run_python):
    """Locks that were held at the fork are nobody's in the child."""
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.setswitchinterval(1e-5)
stop = threading.Event()
def work(number):
    while not stop.is_set():
        with TritonClient(url, timeout=20 + number % 2) as client:
            infer(client)
with TritonClient(url, timeout=20) as client:
    infer(client)
threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
statuses = []
for _ in range(15):
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(20)
        try:
            with TritonClient(url, timeout=20) as client:
                infer(client)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    statuses.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads:
    thread.join()
print(statuses)
"""
    assert run_python(PRELUDE + program, server.url) == f"{[0] * 15}\n"


def test_exit_with_an_open_client(server, run_python):
    """Neither a warning nor a hang: an open client at the end of a program is common."""
    program = """
client = TritonClient(url, pool=ConnectionPoolConfig(monitoring=True, stats_interval=0.01))
infer(client)
print("last line")
"""
    assert run_python(PRELUDE + program, server.url) == "last line\n"
    server.wait_for(lambda: server.connections_open == 0)


def test_exit_while_requests_run(server, gate, run_python):
    program = """
client = TritonClient(url, timeout="10 min")
for _ in range(3):
    threading.Thread(target=client.infer, args=("gate", X), daemon=True).start()
import time
while client.pool_stats().active < 3:
    time.sleep(0.005)
print("last line")
"""
    assert run_python(PRELUDE + program, server.url) == "last line\n"
    gate.open()


def test_use_at_exit(server, run_python):
    """Functions of atexit may use a client, close it, and use it when it is closed."""
    program = """
client = TritonClient(url)
infer(client)
def at_exit():
    print(infer(client).reused)
    client.close()
    try:
        infer(client)
    except Exception as error:
        print(type(error).__name__)
atexit.register(at_exit)
"""
    assert run_python(PRELUDE + program, server.url) == "True\nClientClosed\n"
    server.wait_for(lambda: server.connections_open == 0)


def test_a_client_made_at_exit(server, run_python):
    program = """
def at_exit():
    with TritonClient(url) as client:
        print(infer(client).reused)
atexit.register(at_exit)
"""
    assert run_python(PRELUDE + program, server.url) == "False\n"
    server.wait_for(lambda: server.connections_open == 0)


def test_use_while_the_interpreter_is_finalized(server, run_python):
    """Too late for anything but not hanging."""
    program = """
class Late:
    def __del__(self, infer=infer, TritonClient=TritonClient, url=url, print=print):
        try:
            infer(client)
        except BaseException:
            pass
        try:
            TritonClient(url).server_live()
        except BaseException:
            pass
client = TritonClient(url)
infer(client)
import builtins
builtins.late = Late()
print("last line")
"""
    assert run_python(PRELUDE + program, server.url).startswith("last line\n")


def test_exit_with_a_client_that_outlives_its_modules(server, run_python):
    program = """
import socket
client = TritonClient(url)
infer(client)
socket.keep = client
print("last line")
"""
    assert run_python(PRELUDE + program, server.url) == "last line\n"
