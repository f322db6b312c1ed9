"""The global provider: the API's stand-in and the real one that follows count as one."""

from __future__ import annotations

PRELUDE = """
import gc, logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(levelname)s %(message)s")
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from triton_otel.pool.stats import PoolStats
from triton_otel.telemetry import observe
from triton_otel.telemetry.metrics import instruments

class Pool:
    closed = False
    def __init__(self, idle):
        self.idle = idle
    def stats(self):
        return PoolStats(idle=self.idle, total=self.idle)

reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)

def idle():
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "triton.client.connections.idle":
                    for point in metric.data.data_points:
                        found[point.attributes["triton.client.pool.name"]] = point.value
    return sorted(found.items())
"""


def test_pools_from_before_and_after_the_sdk_both_appear(run_python):
    program = """
before = Pool(1)
observe(before, "before")
waits = instruments().observer("before")
print(instruments().deaf(), idle())
metrics.set_meter_provider(provider)
after = Pool(2)
observe(after, "after")
print(instruments().deaf(), idle(), instruments() is instruments(provider))
waits.waited(0.5, None)
names = [m.name for m in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics]
print("triton.client.connections.wait_time" in names, len(names) == len(set(names)))
before.closed = True
print(idle())
del after
gc.collect()
print(idle())
"""
    assert run_python(PRELUDE + program).splitlines() == [
        "True []",
        "False [('after', 2), ('before', 1)] True",
        "True True",
        "[('after', 2)]",
        "[]",
    ]


def test_an_explicit_provider_that_becomes_the_global_one(run_python):
    program = """
explicit = Pool(1)
observe(explicit, "explicit", meter_provider=provider)
known = instruments(provider)
metrics.set_meter_provider(provider)
default = Pool(2)
observe(default, "default")
print(idle(), instruments() is instruments(provider) is known)
"""
    assert run_python(PRELUDE + program).splitlines() == ["[('default', 2), ('explicit', 1)] True"]


def test_a_stand_in_and_an_explicit_provider_that_becomes_the_global_one(run_python):
    program = """
default, explicit = Pool(2), Pool(1)
observe(default, "default")
observe(explicit, "explicit", meter_provider=provider)
print(idle())
metrics.set_meter_provider(provider)
print(idle(), instruments().last_collected is not None)
"""
    assert run_python(PRELUDE + program).splitlines() == [
        "[('explicit', 1)]",
        "[('default', 2), ('explicit', 1)] True",
    ]


def test_the_log_falls_silent_some_time_after_the_sdk_came_and_not_before(run_python):
    program = """
from triton_otel import _clock
from triton_otel.telemetry.fallback import StatsLog
time = [1000.0]
_clock.now = lambda: time[0]
pool = Pool(1)
observe(pool, "p")
logging.getLogger("triton_otel.pool").setLevel(logging.INFO)
log = StatsLog(pool, "p", interval=30.0, mode="auto", instruments=instruments())
def tick():
    time[0] += 30.0
    log.tick(time[0])
tick()
metrics.set_meter_provider(provider)
for _ in range(3):
    tick()
print("-")
idle()
tick()
print("-")
for _ in range(5):
    tick()
"""
    line = "INFO Connection Pool Stats - Idle: 1, Active: 0, Queued: 0, Total: 1"
    assert run_python(PRELUDE + program).splitlines() == [line, "-", "-", line]


def test_spans_of_a_client_from_before_the_sdk(run_python):
    program = """
import types
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from triton_otel.options.config import TelemetryConfig
from triton_otel.telemetry.spans import RequestTelemetry
from triton_otel.wire.phases import Attempt
route = types.SimpleNamespace(method="GET", path="/v2", template="/v2", model_name=None, model_version=None)
telemetry = RequestTelemetry(
    host="h", port=1, base_url="http://h:1", pool_name="p", config=TelemetryConfig(), instruments=instruments())
def request():
    headers = []
    call = telemetry.begin(route, started=1.0, headers=headers)
    telemetry.end(call, Attempt(1.0), status=200)
    return [name for name, _ in headers]
print(request())
exporter = InMemorySpanExporter()
tracer_provider = TracerProvider(shutdown_on_exit=False)
tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(tracer_provider)
print(request(), [span.name for span in exporter.get_finished_spans()])
"""
    assert run_python(PRELUDE + program).splitlines() == ["[]", "[b'traceparent'] ['GET /v2']"]


def test_a_forked_child_starts_its_stamps_anew(run_python):
    program = """
import os, warnings
warnings.simplefilter("ignore")
metrics.set_meter_provider(provider)
pool = Pool(1)
observe(pool, "p")
idle()
sys.stdout.flush()
child = os.fork()
if child == 0:
    known = instruments()
    print(known.last_collected, known.longest_gap, idle(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(instruments().last_collected is not None)
"""
    assert run_python(PRELUDE + program).splitlines() == ["None 0.0 [('p', 1)]", "True"]
