"""What Prometheus knows after a run: the pool's numbers, Triton's own, those of the spans, and the way to a trace."""

from __future__ import annotations

import numpy as np
import pytest
from support.exporting import Exporting
from support.real_triton import RealTriton
from support.stack_queries import Jaeger, Prometheus, wait_for

from collector.running import Stack

pytestmark = [pytest.mark.triton, pytest.mark.timeout(120, func_only=True)]

VALUES = np.array([1.0, 2.0], dtype=np.float32)
REQUESTS = 20


@pytest.fixture(scope="module")
def service(stack: Stack, triton: RealTriton, prometheus: Prometheus) -> str:
    """The name of a service that has made some requests on one connection of a pool."""
    with Exporting(stack.addresses.url("otlp_grpc"), "counted") as exporting:
        with exporting.client(triton.url, pool_name="counted") as client:
            for _ in range(REQUESTS):
                client.infer("add_sub", {"INPUT0": VALUES, "INPUT1": VALUES})
            exporting.flush()
            # While the client is open: with it the pool's series end.
            idle = f'triton_client_connections_idle{{job="{exporting.service}"}}'
            wait_for(lambda: prometheus.query(idle), "the pool's gauges")
        return exporting.service


def values(prometheus: Prometheus, expression: str) -> list[float]:
    return [value for _, value in prometheus.query(expression)]


def test_the_gauges_are_those_of_the_pool(service: str, prometheus: Prometheus) -> None:
    names = ("idle", "active", "queued", "total", "max")
    found = [
        values(prometheus, f'last_over_time(triton_client_connections_{name}{{job="{service}"}}[5m])') for name in names
    ]
    assert found == [[1], [0], [0], [1], [100]]


def test_the_labels_name_the_service_its_process_and_the_pool(service: str, prometheus: Prometheus) -> None:
    ((labels, _),) = prometheus.query(f'last_over_time(triton_client_connections_idle{{job="{service}"}}[5m])')
    assert (labels["job"], labels["instance"], labels["triton_client_pool_name"]) == (service, "1", "counted")


def test_a_counter_ends_in_total_and_has_counted_every_request(service: str, prometheus: Prometheus) -> None:
    acquired = f'sum(last_over_time(triton_client_connections_acquired_total{{job="{service}"}}[5m]))'
    assert values(prometheus, acquired) == [REQUESTS]


def test_the_duration_histogram_has_every_request(service: str, prometheus: Prometheus) -> None:
    count = f'sum(last_over_time(http_client_request_duration_seconds_count{{job="{service}"}}[5m]))'
    assert values(prometheus, count) == [REQUESTS]


def test_every_span_is_counted_whether_its_trace_is_kept_or_not(service: str, prometheus: Prometheus) -> None:
    calls = f'sum(last_over_time(traces_span_metrics_calls_total{{service_name="{service}"}}[5m]))'
    assert wait_for(lambda: values(prometheus, calls) == [REQUESTS], "the calls of the spans")


def test_jaeger_shows_the_rate_of_the_calls(stack: Stack, triton: RealTriton, jaeger: Jaeger) -> None:
    with Exporting(stack.addresses.url("otlp_grpc"), "monitored") as exporting, exporting.client(triton.url) as client:

        def rate() -> list[float]:
            client.infer("add_sub", {"INPUT0": VALUES, "INPUT1": VALUES})
            return [rate for rate in jaeger.call_rates(exporting.service) if rate > 0]

        assert wait_for(rate, "the rate of the calls")


def test_tritons_own_numbers_come_too(service: str, triton: RealTriton, prometheus: Prometheus) -> None:
    count = 'nv_inference_count_total{job="triton",model="add_sub"}'
    assert wait_for(lambda: [v for v in values(prometheus, count) if v >= REQUESTS], "Triton's count of inferences")


def test_an_exemplar_leads_to_a_trace_in_jaeger(
    stack: Stack, triton: RealTriton, prometheus: Prometheus, jaeger: Jaeger
) -> None:
    # The SDK sends an exemplar once, and Prometheus must come by before the next export takes its place.
    with Exporting(stack.addresses.url("otlp_grpc"), "exemplary", metric_interval=3) as exporting:
        with exporting.client(triton.url) as client:
            # The first request of a connection: its trace is kept.
            client.infer("add_sub", {"INPUT0": VALUES, "INPUT1": VALUES})
            bucket = f'http_client_request_duration_seconds_bucket{{job="{exporting.service}"}}'
            (exemplar,) = wait_for(lambda: prometheus.exemplars(bucket), "an exemplar of the duration")
        trace = wait_for(lambda: jaeger.trace(exemplar["labels"]["trace_id"]), "the trace of the exemplar")
    assert exporting.service in {span.service for span in trace}
