"""The count of a pool's clients is right whatever happens: many threads, a log handler that raises, a bad provider."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.client_room import INPUTS, PATIENCE, assert_serves

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.client import registry

CREATED = "Triton HTTP client created"


@pytest.fixture
def eager_switching():
    """Threads that take turns very often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=64):
    """Run ``work(number)`` in threads that all start at once."""
    start = threading.Barrier(count)

    def run(number):
        start.wait(PATIENCE)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return [each.result(PATIENCE) for each in [threads.submit(run, number) for number in range(count)]]


def test_64_threads_with_equal_settings(server, eager_switching, caplog):
    """While one client holds the pool, all of them get that one; it is made and logged once."""
    caplog.set_level(logging.INFO, "triton_otel.client")
    pool = ConnectionPoolConfig(max_total=8)
    with TritonClient(server.url, pool=pool) as keeper:

        def work(number):
            names = set()
            for _ in range(10):
                with TritonClient(server.url, pool=pool) as client:
                    names.add(client.pool_name)
                    if number % 8 == 0:
                        client.infer("identity", INPUTS)
            return names

        assert set().union(*in_threads(work)) == {keeper.pool_name}
        assert registry.references() == {keeper.pool_name: 1}
        assert [record.getMessage().startswith(CREATED) for record in caplog.records] == [True]
        assert_serves(keeper)
        assert server.connections_accepted <= 8
    assert registry.references() == {}
    server.wait_for(lambda: server.connections_open == 0)


def test_64_threads_make_the_first_one(server, eager_switching, caplog):
    """Nobody was there before: of all the pools made at once, one stays."""
    caplog.set_level(logging.INFO, "triton_otel.client")
    for _ in range(5):
        caplog.clear()
        clients = in_threads(lambda _: TritonClient(server.url))
        (count,) = registry.references().values()
        assert count == 64
        assert len({id(client._core) for client in clients}) == 1
        assert len([record for record in caplog.records if record.getMessage().startswith(CREATED)]) == 1
        in_threads(lambda number, clients=clients: clients[number].close())
        assert registry.references() == {}


def test_the_loser_of_a_race(server, monkeypatch, caplog):
    """Another client of the same settings is made just while this one prepares the pool: it takes that one's."""
    caplog.set_level(logging.INFO, "triton_otel.client")
    prepare = registry.context_for
    winners = []

    def prepare_late(config):
        monkeypatch.setattr(registry, "context_for", prepare)
        winners.append(TritonClient(server.url))
        return prepare(config)

    monkeypatch.setattr(registry, "context_for", prepare_late)
    with TritonClient(server.url) as loser:
        (winner,) = winners
        assert loser._core is winner._core
        assert registry.references() == {winner.pool_name: 2}
        assert len(caplog.records) == 1
        assert_serves(loser)
        winner.close()


def test_the_winner_is_gone_before_the_loser_comes(server, monkeypatch, authority):
    """The pool that was there when the client looked is closed when it comes with its TLS context: it makes one."""
    keeper = TritonClient(server.url, tls_ca_file=authority.ca_file, tls_verify=True)
    prepare = registry.context_for

    def prepare_late(config):
        keeper.close()
        return prepare(config)

    monkeypatch.setattr(keeper._core.pool, "_ssl_context", None)
    monkeypatch.setattr(registry, "context_for", prepare_late)
    with TritonClient(server.url, tls_ca_file=authority.ca_file) as late:
        assert late._core is not keeper._core
        assert registry.references() == {late.pool_name: 1}
        assert_serves(late)


def test_64_threads_with_different_settings(server, eager_switching):
    def work(number):
        choice = random.Random(number)
        for _ in range(6):
            pool = ConnectionPoolConfig(max_total=choice.randint(1, 5))
            with TritonClient(server.url, pool=pool, timeout=choice.choice([20, 25])) as client:
                if choice.random() < 0.3:
                    client.infer("identity", INPUTS)

    in_threads(work)
    assert registry.references() == {}
    server.wait_for(lambda: server.connections_open == 0)


def test_64_threads_that_come_and_go_to_nothing(server, eager_switching):
    """Without a keeper the count falls to nothing again and again, and every pool that was left is closed."""

    def work(number):
        for _ in range(6):
            client = TritonClient(server.url)
            if number % 6 == 0:
                client.infer("identity", INPUTS)
            client.close()

    in_threads(work)
    assert registry.references() == {}
    server.wait_for(lambda: server.connections_open == 0)


def test_64_threads_with_tls(authority, eager_switching):
    from triton_otel.testing import EmbeddedTriton

    with EmbeddedTriton(tls=authority.server) as server:

        def work(number):
            with TritonClient(server.url, tls_ca_file=authority.ca_file) as client:
                if number % 16 == 0:
                    client.infer("identity", INPUTS)

        in_threads(work)
        assert registry.references() == {}
        server.wait_for(lambda: server.connections_open == 0)


@contextlib.contextmanager
def handler(emit):
    logger = logging.getLogger("triton_otel.client")

    class Handler(logging.Handler):
        def handle(self, record):
            emit(record)

    made, level = Handler(), logger.level
    logger.addHandler(made)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(made)
        logger.setLevel(level)


def test_a_log_handler_that_raises(server):
    seen = []

    def emit(record):
        seen.append(record)
        raise OSError("disk full")

    with handler(emit):
        first = TritonClient(server.url)
        second = TritonClient(server.url)
        assert len(seen) == 1
        assert registry.references() == {first.pool_name: 2}
        assert_serves(second)
        first.close()
        assert registry.references() == {second.pool_name: 1}
        second.close()
    assert registry.references() == {}
    server.wait_for(lambda: server.connections_open == 0)


def test_a_log_handler_that_makes_clients(server):
    """The count is settled, and no lock is held, when the line is written."""
    inner = []

    def emit(record):
        if not inner:
            inner.append(registry.references())
            with TritonClient(server.url) as client:
                assert_serves(client)
                inner.append(registry.references())

    with handler(emit), TritonClient(server.url) as outer:
        assert inner == [{outer.pool_name: 1}, {outer.pool_name: 2}]
        assert registry.references() == {outer.pool_name: 1}


def test_an_interrupt_in_the_log_handler(server):
    class Interrupt(BaseException):
        pass

    def emit(record):
        raise Interrupt

    with handler(emit), pytest.raises(Interrupt):
        TritonClient(server.url)
    assert registry.references() == {}


def test_a_tracer_provider_that_raises(server):
    class Broken:
        def get_tracer(self, *args, **kwargs):
            raise RuntimeError("no tracer today")

    with pytest.raises(RuntimeError, match="no tracer today"):
        TritonClient(server.url, tracer_provider=Broken())
    assert registry.references() == {}
