"""A client that nobody closed: a ResourceWarning, and its share is given back."""

from __future__ import annotations

import gc
import warnings

import pytest
from support.client_room import PATIENCE, assert_serves

from triton_otel import ConfigError, TritonClient
from triton_otel.client import registry
from triton_otel.testing import EmbeddedTriton


def drop(clients):
    """Forget the clients, also those in cycles."""
    clients.clear()
    gc.collect()


def given_back(counts):
    """Wait until the thread that tidies up has come round."""
    return EmbeddedTriton().wait_for(lambda: registry.references() == counts, PATIENCE)


def test_the_last_one_closes_the_pool(server):
    clients = [TritonClient(server.url)]
    assert_serves(clients[0])
    with pytest.warns(ResourceWarning, match="unclosed client") as caught:
        drop(clients)
    assert server.url in str(caught[0].message)
    given_back({})
    server.wait_for(lambda: server.connections_open == 0)


def test_one_of_several(server):
    with TritonClient(server.url) as keeper:
        abandoned = [TritonClient(server.url)]
        assert registry.references() == {keeper.pool_name: 2}
        with pytest.warns(ResourceWarning):
            drop(abandoned)
        given_back({keeper.pool_name: 1})
        assert_serves(keeper)


def test_in_a_cycle(server):
    clients = [TritonClient(server.url)]
    clients[0].me = clients[0]
    with pytest.warns(ResourceWarning):
        drop(clients)
    given_back({})


def test_the_next_client_finds_the_count_right(server):
    """Without waiting for the thread that tidies up."""
    clients = [TritonClient(server.url)]
    with pytest.warns(ResourceWarning):
        drop(clients)
    with TritonClient(server.url) as other:
        assert registry.references() == {other.pool_name: 1}


def test_inside_of_the_registry(server):
    """A collection may come at any moment, also while the registry's lock is held by the same thread."""
    clients = [TritonClient(server.url)]
    clients[0].me = clients[0]
    with registry.CACHE_LOCK, pytest.warns(ResourceWarning):
        drop(clients)
    given_back({})


def test_a_closed_client_warns_of_nothing(server):
    clients = [TritonClient(server.url)]
    clients[0].close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drop(clients)


def test_a_client_that_was_never_made_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError):
            TritonClient("http://h", timeout=-1)
        gc.collect()
