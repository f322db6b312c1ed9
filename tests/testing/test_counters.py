"""What the server counts and remembers."""

from __future__ import annotations

import threading

import pytest

from triton_otel.testing import EmbeddedTriton


def test_connections_and_requests(server, connect):
    assert (server.connections_accepted, server.connections_open, server.requests) == (0, 0, 0)
    first, second = connect(), connect()
    assert server.wait_for(lambda: server.connections_open == 2)
    for _ in range(3):
        first.ask()
        assert first.read_answer()[0] == 200
    second.infer()
    assert second.read_answer()[0] == 200
    assert (server.connections_accepted, server.connections_open, server.requests) == (2, 2, 4)
    first.sock.close()
    assert server.wait_for(lambda: server.connections_open == 1)
    assert server.connections_accepted == 2


def test_a_connection_without_a_request_is_counted(server, connect):
    raw = connect()
    assert server.wait_for(lambda: server.connections_open == 1)
    raw.sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)
    assert server.requests == 0


def test_record(server, connect):
    first, second = connect(), connect()
    first.ask(headers={"X-One": "a", "Accept": "b"})
    first.read_answer()
    second.ask("GET", "/v2/models/a%20b?x=1&y", headers={"accept": "1"})
    second.read_answer()
    first.infer()
    first.read_answer()
    one, two, three = server.seen
    assert (one.method, one.path, one.query, one.connection, one.number) == ("GET", "/v2/health/ready", "", 1, 1)
    assert one.headers["x-one"] == "a"
    assert (b"x-one", b"a") in one.raw_headers
    assert (two.path, two.query, two.connection, two.number) == ("/v2/models/a%20b", "x=1&y", 2, 1)
    assert (three.method, three.connection, three.number) == ("POST", 1, 2)


def test_repeated_headers_are_joined(server, connect):
    raw = connect()
    raw.sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n")
    raw.read_answer()
    assert server.seen[0].headers["x"] == "1, 2"


def test_record_is_bounded(call):
    with EmbeddedTriton(keep=3) as server:
        for index in range(5):
            call(server, "GET", f"/v2/models/{index}")
        assert [seen.path for seen in server.seen] == ["/v2/models/2", "/v2/models/3", "/v2/models/4"]
        assert server.requests == 5


def test_wait_for_tells_the_counters_when_it_fails(server, call):
    call(server, "GET", "/v2")
    with pytest.raises(TimeoutError, match=r"accepted 1 connections, has \d open and saw 1 requests"):
        server.wait_for(lambda: server.requests == 2, timeout=0.05)


def test_wait_for_returns_on_a_change_made_by_another_thread(server, call):
    asker = threading.Thread(target=call, args=(server, "GET", "/v2"))
    asker.start()
    assert server.wait_for(lambda: server.requests == 1) is True
    asker.join()


def test_wait_for_sees_changes_that_are_not_the_servers(server):
    told = threading.Event()
    timer = threading.Timer(0.05, told.set)
    timer.start()
    assert server.wait_for(told.is_set)
    timer.join()
