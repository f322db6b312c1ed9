"""Forks, and a server that forks its workers: every process tells its own numbers, over connections of its own."""

from __future__ import annotations

import os

import pytest
from support.otlp_receiver import OtlpReceiver
from support.scripts import run_script

from triton_otel.testing import EmbeddedTriton

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

HEAD = """
import numpy as np
# Its thread is not in a child, which would wait for it at its end.
faulthandler.cancel_dump_traceback_later()
os.environ.update(
    OTEL_EXPORTER_OTLP_PROTOCOL=sys.argv[2],
    OTEL_EXPORTER_OTLP_ENDPOINT=sys.argv[3],
    OTEL_METRIC_EXPORT_INTERVAL=sys.argv[4],
    OTEL_SERVICE_NAME="forking",
)
from triton_otel import TritonClient
from triton_otel.telemetry import configure
if sys.version_info >= (3, 12):
    import warnings
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
X = {"INPUT0": np.arange(3, dtype=np.float32)}
handle = configure()
client = TritonClient(sys.argv[1], timeout=20, pool_name="p", telemetry_metrics="full", telemetry_spans="full")

def ask(count):
    for _ in range(count):
        assert client.infer("identity", X)["OUTPUT0"].tolist() == [0, 1, 2]

def in_child(work):
    pid = os.fork()
    if pid:
        return pid
    # As a worker of a server that forks: it ends in the ordinary way, atexit and all.
    work()
    sys.exit(0)

def wait(pids):
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * len(pids)
"""

WORKERS = """
ask(5)
handle.tracer_provider.force_flush()
handle.meter_provider.force_flush()

def work(count):
    ask(count)
    handle.meter_provider.force_flush()
    client.close()

wait([in_child(lambda count=count: work(count)) for count in (10, 20, 30)])
ask(1)
handle.meter_provider.force_flush()
client.close()
"""

IN_THE_MIDDLE = """
stop = threading.Event()

def collect():
    while not stop.wait(0.005):
        handle.meter_provider.force_flush()

def work():
    ask(3)
    assert handle.meter_provider.force_flush()
    client.close()

def ask_on():
    while not stop.wait(0.001):
        ask(1)

calls = [Background(ask_on), Background(collect)]
for _ in range(3):
    time.sleep(0.02)
    wait([in_child(work)])
stop.set()
for call in calls:
    call.result()
client.close()
"""


def run(program, *arguments):
    """Run a program; what it writes may be urllib3's warnings of sockets that the exporters leave to the collector."""
    done = run_script(HEAD + program, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def receiver():
    with OtlpReceiver() as receiving:
        yield receiving


def last_counts(receiver, name):
    """The last count, or sum, of a metric by service instance."""
    found = {}
    for metric in receiver.metrics:
        if metric.name == name:
            total = sum(point.count if metric.kind == "histogram" else point.as_int for _, point in metric.points)
            found[metric.resource["service.instance.id"]] = total
    return found


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_workers_tell_their_own_numbers(receiver, protocol):
    with EmbeddedTriton() as server:
        run(WORKERS, server.url, protocol, receiver.endpoint(protocol), "60000")
    spans = {}
    for span in receiver.spans:
        if span.name.startswith("POST"):
            instance = span.resource["service.instance.id"]
            spans[instance] = spans.get(instance, 0) + 1
    assert sorted(spans.values()) == [6, 10, 20, 30]
    assert last_counts(receiver, "http.client.request.duration") == spans
    acquired = last_counts(receiver, "triton.client.connections.acquired")
    assert acquired == spans
    setups = [span for span in receiver.spans if span.name.startswith("HTTP connection_setup")]
    assert len({span.resource["service.instance.id"] for span in setups}) == len(setups) == 4
    assert {link[0] for span in receiver.spans for link in span.links} == {span.trace_id for span in setups}
    users = {}
    for delivery in receiver.deliveries:
        name = "resource_spans" if delivery.signal == "traces" else "resource_metrics"
        for part in getattr(delivery.message, name):
            (instance,) = [a.value.string_value for a in part.resource.attributes if a.key == "service.instance.id"]
            users.setdefault(delivery.peer, set()).add(instance)
    assert len(users) >= 4
    assert all(len(instances) == 1 for instances in users.values()), "each over connections of its own"


def test_forks_while_metrics_are_recorded_and_collected(receiver):
    with EmbeddedTriton() as server:
        run(IN_THE_MIDDLE, server.url, "http/protobuf", receiver.http_endpoint, "2")
    counts = last_counts(receiver, "http.client.request.duration")
    assert sorted(counts.values())[:3] == [3] * 3
