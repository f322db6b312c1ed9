"""Every expression of the boards and rules gives numbers: under an ordinary load, or once its event has been caused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.promql import metrics
from support.real_triton import RealTriton
from support.rules import ALERTS
from support.stack_events import causing, service
from support.stack_queries import Prometheus
from support.stack_watch import BARE, QUESTIONS, Watch

from collector.running import Stack

pytestmark = [pytest.mark.triton, pytest.mark.timeout(150, func_only=True)]

# What does not happen under an ordinary load, and what has to happen.  `support.stack_events` causes it.
EVENTS = {
    "alert/TritonClientBlind": "a service whose gauges are dropped by a view",
    f"triton-otel-health/Processes that are blind/A{BARE}": "a service whose gauges are dropped by a view",
    "alert/TritonClientPoolSaturated": "one connection, in use, and another request",
    "alert/TritonClientPoolRefused": "a request that gives up waiting",
    "alert/TritonClientWaitsNearRefusal": "a request that waits for more than ten seconds",
    "alert/TritonClientConnectionChurn": "a pool that reuses nothing",
    "alert/TritonClientClosedByServer": "a server that closes idle connections",
    "record/pool:triton_client_connections_closed_by_peer:rate5m": "a server that closes idle connections",
    "alert/TritonClientErrors": "a model that fails",
    "record/model:triton_client_requests:error_ratio5m": "a model that fails",
    "triton-otel-requests/Failures by cause/A": "a model that fails",
    f"triton-otel-requests/Failed/A{BARE}": "a model that fails",
    f"triton-otel-requests/Failed, by model/A{BARE}": "a model that fails",
    f"triton-otel-server/Failed, client and server/A{BARE}": "a model that fails",
    "alert/TritonClientSlowOutsideServer": "a model that answers late elsewhere",
    "alert/TritonServerQueueLong": "more requests at a time than the model works on",
    "triton-otel-pool/Opened, and not opened/B": "a port on which nobody listens",
    "triton-otel-requests/Sent once more, by cause/A": "a server that resets a kept connection",
    f"triton-otel-requests/Sent once more/A{BARE}": "a server that resets a kept connection",
    f"triton-otel-health/Spans lost/A{BARE}": "a span queue that is too short",
    f"triton-otel-health/Spans lost/B{BARE}": "spans that are sent to a port on which nobody listens",
    f"triton-otel-health/Points delivered and lost/B{BARE}": "a collector that is away for too long",
}
# What is true only before any client reports; a fixture looks at that moment.
BEFORE_ANY_CLIENT = "alert/TritonClientSilent"
# What takes more time than a test may: half an hour in which connections do not come back.  promtool's case plays it.
TOO_LONG = "alert/TritonClientConnectionLeak"

ORDINARY = sorted(set(QUESTIONS) - set(EVENTS) - {BEFORE_ANY_CLIENT, TOO_LONG})
# Seconds, for a machine that is busy with more than this; both take half a minute on one that is not.
ORDINARY_LIMIT, EVENTS_LIMIT = 90.0, 120.0


@pytest.fixture(scope="module")
def watch(stack: Stack, triton: RealTriton, prometheus: Prometheus) -> Iterator[Watch]:
    """What has given numbers under an ordinary load; the load goes on."""
    with service(stack, triton.url, "shop"):
        watch = Watch(prometheus)
        watch.look_until(ORDINARY, ORDINARY_LIMIT)
        yield watch


@pytest.fixture(scope="module")
def troubled_watch(stack: Stack, triton: RealTriton, prometheus: Prometheus, watch: Watch) -> Watch:
    """The same once everything else has happened too."""
    with causing(stack, triton.url, prometheus):
        watch.look_until(EVENTS, EVENTS_LIMIT)
    return watch


@pytest.mark.parametrize("name", ORDINARY)
def test_it_gives_numbers_under_an_ordinary_load(watch: Watch, name: str) -> None:
    assert name in watch.seen, QUESTIONS[name]


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_it_gives_numbers_once_its_event_has_happened(troubled_watch: Watch, name: str) -> None:
    assert name in troubled_watch.seen, f"{EVENTS[name]}: {QUESTIONS[name]}"


def test_the_alert_on_silence_gives_a_number_before_any_client_reports(
    prometheus: Prometheus, silent_moment: float
) -> None:
    assert prometheus.query(QUESTIONS[BEFORE_ANY_CLIENT], at=silent_moment)


def test_what_the_alert_on_leaks_stands_on_gives_numbers(watch: Watch, prometheus: Prometheus) -> None:
    parts = metrics(QUESTIONS[TOO_LONG])
    assert {name: bool(prometheus.query(name)) for name in parts} == dict.fromkeys(parts, True)
    assert TOO_LONG.removeprefix("alert/") in ALERTS


def test_the_lists_name_expressions_that_exist() -> None:
    assert {*EVENTS, BEFORE_ANY_CLIENT, TOO_LONG} <= set(QUESTIONS)
