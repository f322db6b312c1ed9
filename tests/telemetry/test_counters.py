"""The counters are the pool's own integers, split by the attributes of the contract."""

from __future__ import annotations

from triton_otel.telemetry import names

POOL = "triton__client__pool__name"


def test_every_counter_with_exact_numbers_and_attributes(metering, make_pool, labels):
    pool = make_pool(
        acquired_new=4,
        acquired_reused=96,
        opened=5,
        open_errors={"connection_refused": 2, "tls_error": 1},
        closed={"idle_expired": 3, "peer_closed": 1},
        timeouts=6,
        resends=2,
        resent={"connection_reset": 2},
    )
    metering.instruments.add(pool, "p")
    found = metering.series()
    base = {POOL: "p"}
    assert found["triton.client.connections.acquired"] == {
        labels(**base, triton__connection__reused=False): 4,
        labels(**base, triton__connection__reused=True): 96,
    }
    assert found["triton.client.connections.opened"] == {
        labels(**base): 5,
        labels(**base, error__type="connection_refused"): 2,
        labels(**base, error__type="tls_error"): 1,
    }
    assert found["triton.client.connections.closed"] == {
        labels(**base, triton__connection__close_reason="idle_expired"): 3,
        labels(**base, triton__connection__close_reason="peer_closed"): 1,
    }
    assert found["triton.client.connections.timeouts"] == {labels(**base): 6}
    assert found["triton.client.resends"] == {labels(**base, error__type="connection_reset"): 2}


def test_a_fresh_pool_has_zeros_where_a_rate_needs_them(metering, make_pool):
    pool = make_pool()
    metering.instruments.add(pool, "p")
    found = metering.series()
    assert sorted(found["triton.client.connections.acquired"].values()) == [0, 0]
    assert list(found["triton.client.connections.opened"].values()) == [0]
    assert list(found["triton.client.connections.timeouts"].values()) == [0]
    assert "triton.client.connections.closed" not in found
    assert "triton.client.resends" not in found


def test_no_series_is_registered_beyond_level_basic(metering, make_pool):
    pool = make_pool(open_errors={"tls_error": 1}, closed={"error": 1}, resent={"connection_reset": 1})
    known = metering.instruments
    known.add(pool, "p")
    known.observer("p").waited(0.1, None)
    known.observer("p").created("h", 1, 0.1, None)
    known.record_request(0.1, {}, None)
    assert set(metering.series()) == {
        names.CONNECTIONS_IDLE,
        names.CONNECTIONS_ACTIVE,
        names.CONNECTIONS_QUEUED,
        names.CONNECTIONS_TOTAL,
        names.CONNECTIONS_MAX,
        names.CONNECTIONS_MAX_IDLE,
        names.CONNECTIONS_ACQUIRED,
        names.CONNECTIONS_OPENED,
        names.CONNECTIONS_CLOSED,
        names.CONNECTIONS_TIMEOUTS,
        names.RESENDS,
        names.CONNECTIONS_WAIT_TIME,
        names.CONNECTIONS_CREATE_TIME,
        names.REQUEST_DURATION,
    }
