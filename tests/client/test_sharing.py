"""Who shares a pool: equal settings, however they were spelled; whatever the endpoint, model or credentials."""

from __future__ import annotations

import contextlib
import datetime

import httpcore
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider
from support.client_room import INPUTS, assert_serves

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.client import registry
from triton_otel.testing import EmbeddedTriton

POOL = ConnectionPoolConfig(max_idle=3, max_total=7)
SECONDS_300 = datetime.timedelta(minutes=5)


def share(*settings):
    """Tell whether clients of these settings have one pool."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(TritonClient(**{"endpoint": "triton:8000", **each})) for each in settings]
        counts = registry.references()
        names = {client.pool_name for client in clients}
        assert set(counts) == names
        assert sum(counts.values()) == len(clients)
        one = len(names) == 1
        assert one == (len({id(client._core.pool) for client in clients}) == 1)
        return one


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"endpoint": "elsewhere:9000"},
        {"endpoint": "https://triton"},
        {"endpoint": "http://triton:8000/base"},
        {"model_name": "m", "model_version": 3},
        {"headers": {"X": "y"}},
        {"auth_token": "t"},
        {"telemetry_spans": "off"},
        {"telemetry_propagation": "sampled"},
        {"timeout": 30},
        {"timeout": "30 s"},
        {"timeout": "PT30S"},
        {"timeout": datetime.timedelta(seconds=30)},
        {"pool": ConnectionPoolConfig()},
        {"pool": ConnectionPoolConfig(max_idle=20, max_total=100, keep_alive="5 min")},
        {"pool": ConnectionPoolConfig(keep_alive=SECONDS_300, connection_timeout="10000 ms")},
        {"pool": ConnectionPoolConfig(keep_alive=300, connection_timeout=10, stats_interval=30)},
        {"pool": ConnectionPoolConfig(reuse=True, monitoring=False)},
        {"tls_verify": True},
        {"telemetry_metrics": "basic", "telemetry_log_fallback": "auto"},
    ],
    ids=str,
)
def test_shares_with_a_client_of_no_settings(other):
    assert share({}, other, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"timeout": 4}, {"timeout": 4, "pool": ConnectionPoolConfig(connection_timeout=2)}),
        (
            {"pool": ConnectionPoolConfig(max_total=5)},
            {"pool": ConnectionPoolConfig(max_total=5, max_idle=5)},
        ),
        ({"pool": POOL, "pool_name": "p"}, {"pool": POOL, "pool_name": "p"}),
    ],
    ids=str,
)
def test_a_default_and_the_same_value_spelled_out_share(one, other):
    assert share(one, other)


@pytest.mark.parametrize(
    "other",
    [
        {"timeout": 29},
        {"pool": ConnectionPoolConfig(max_idle=19)},
        {"pool": ConnectionPoolConfig(max_total=99)},
        {"pool": ConnectionPoolConfig(keep_alive="4 min")},
        {"pool": ConnectionPoolConfig(connection_timeout="9 s")},
        {"pool": ConnectionPoolConfig(reuse=False)},
        {"pool": ConnectionPoolConfig(monitoring=True)},
        {"pool": ConnectionPoolConfig(stats_interval="1 min")},
        {"pool": ConnectionPoolConfig(max_lifetime="1 h")},
        {"pool": ConnectionPoolConfig(queue_timeout="1 s")},
        {"pool": ConnectionPoolConfig(max_queued=5)},
        {"pool": ConnectionPoolConfig(warm_up=1, max_idle=0)},
        {"pool_name": "mine"},
        {"tls_verify": False},
        {"tls_server_name": "triton.example"},
        {"telemetry_metrics": "off"},
        {"telemetry_log_fallback": "off"},
        {"tracer_provider": NoOpTracerProvider()},
        {"meter_provider": NoOpMeterProvider()},
        {"network_backend": httpcore.SyncBackend()},
    ],
    ids=", ".join,
)
def test_does_not_share_with_a_client_of_no_settings(other):
    assert not share({}, other)
    assert share(other, other)


def test_tls_files(authority, tmp_path):
    copy = tmp_path / "copy.pem"
    copy.write_bytes(authority.ca_file.read_bytes())
    assert share({"tls_ca_file": authority.ca_file}, {"tls_ca_file": str(authority.ca_file)})
    assert not share({"tls_ca_file": authority.ca_file}, {"tls_ca_file": copy})
    assert not share({"tls_ca_file": authority.ca_file}, {})


def test_providers_are_told_apart_by_identity():
    assert not share({"meter_provider": NoOpMeterProvider()}, {"meter_provider": NoOpMeterProvider()})


def test_options_and_arguments_share():
    options = {
        "endpoint": "h:1",
        "timeout": "20 s",
        "connection-pool-max-idle": "3",
        "connection-pool-max-total": "7",
        "connection-pool-keep-alive": "PT1M",
    }
    pool = ConnectionPoolConfig(max_idle=3, max_total=7, keep_alive=60)
    with TritonClient.from_options(options) as one, TritonClient("h:1", timeout=20, pool=pool) as other:
        assert registry.references() == {one.pool_name: 2}
        assert other.pool_name == one.pool_name


def test_the_environment_counts_as_well(monkeypatch):
    with TritonClient("h:1", timeout=20) as one:
        monkeypatch.setenv("TRITON_OTEL_TIMEOUT", "20000 ms")
        monkeypatch.setenv("TRITON_OTEL_ENDPOINT", "h:1")
        with TritonClient() as other:
            assert (other.pool_name, other.endpoint) == (one.pool_name, one.endpoint)


def test_endpoints_that_share_have_connections_of_their_own(server):
    with EmbeddedTriton() as second, TritonClient(server.url) as one, TritonClient(second.url) as other:
        for _ in range(3):
            assert_serves(one)
            assert_serves(other)
        assert (server.connections_accepted, second.connections_accepted) == (1, 1)
        assert (server.requests, second.requests) == (3, 3)
        stats = one.pool_stats()
        assert stats == other.pool_stats()
        assert (stats.opened, stats.total) == (2, 2)
        assert {seen.headers["host"] for seen in second.seen} == {f"{second.host}:{second.port}"}


def test_the_limit_is_one_for_all_endpoints(server):
    pool = ConnectionPoolConfig(max_total=1)
    with (
        EmbeddedTriton() as second,
        TritonClient(server.url, pool=pool) as one,
        TritonClient(second.url, pool=pool) as other,
    ):
        for _ in range(2):
            assert_serves(one)
            assert_serves(other)
        assert one.pool_stats().closed == {"evicted": 3}
        server.wait_for(lambda: (server.connections_open, second.connections_open) == (0, 1))


def test_names_of_pools_are_told_apart():
    with TritonClient("h:1", timeout=3) as one, TritonClient("h:1", timeout=4) as other:
        for client in (one, other):
            prefix, _, number = client.pool_name.rpartition("-")
            assert prefix == "triton-pool"
            assert int(number) > 0
        assert one.pool_name != other.pool_name
    with TritonClient("h:1", pool_name="mine") as named:
        assert named.pool_name == "mine"


def test_credentials_do_not_mix(server):
    with (
        TritonClient(server.url, auth_token="one", headers={"X-Who": "one"}) as one,
        TritonClient(server.url, auth_token="two") as two,
    ):
        assert one.pool_name == two.pool_name
        one.infer("identity", INPUTS)
        two.infer("identity", INPUTS)
    who = [(seen.headers["authorization"], seen.headers.get("x-who")) for seen in server.seen]
    assert who == [("Bearer one", "one"), ("Bearer two", None)]
    assert server.connections_accepted == 1
