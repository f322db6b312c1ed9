"""A collector that is down, silent or refusing for a whole run: no request waits for it, and the process ends."""

from __future__ import annotations

import contextlib

import pytest
from support.raw_server import Peer, RawServer, refusing_port
from support.scripts import must_be_clean

from triton_otel.testing import EmbeddedTriton

PROGRAM = """
import logging
import numpy as np
logging.disable(logging.CRITICAL)  # the SDK's own warnings
os.environ.update(
    OTEL_EXPORTER_OTLP_PROTOCOL=sys.argv[2],
    OTEL_EXPORTER_OTLP_ENDPOINT=sys.argv[3],
    OTEL_METRIC_EXPORT_INTERVAL="50",
    OTEL_BSP_SCHEDULE_DELAY="10",
    OTEL_BSP_MAX_QUEUE_SIZE="32",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
)
from triton_otel import TritonClient
from triton_otel.telemetry import configure
handle = configure(shutdown_timeout=0.5)
queue = handle.tracer_provider._active_span_processor._span_processors[0]._batch_processor._queue
X = {"INPUT0": np.arange(3, dtype=np.float32)}
longest = 0
with TritonClient(sys.argv[1], timeout=20, telemetry_metrics="full", telemetry_spans="debug") as client:
    for _ in range(80):
        assert client.infer("identity", X)["OUTPUT0"].tolist() == [0, 1, 2]
        longest = max(longest, len(queue))
    # Stuck, so nobody takes anything out: the requests went on while the queue was full.
    wait_for(lambda: len(queue) == 32, "a full queue")
    for _ in range(40):
        assert client.infer("identity", X)["OUTPUT0"].tolist() == [0, 1, 2]
    stats = client.pool_stats()
assert (stats.active, stats.queued, stats.opened, stats.acquired_reused) == (0, 0, 1, 119), stats
assert max(longest, len(queue)) == 32
print(handle.shutdown())
"""


def refuse(peer: Peer) -> None:
    while peer.read() is not None:
        peer.reply(status="503 Service Unavailable")


def keep_silent(peer: Peer) -> None:
    with contextlib.suppress(OSError):
        while peer.sock.recv(65536):
            pass


@pytest.mark.parametrize(
    ("trouble", "protocol"),
    [
        ("down", "http/protobuf"),
        ("down", "grpc"),
        ("silent", "http/protobuf"),
        ("silent", "grpc"),
        ("refusing", "http/protobuf"),
    ],
)
def test_requests_go_on(trouble, protocol):
    with contextlib.ExitStack() as stack:
        triton = stack.enter_context(EmbeddedTriton())
        if trouble == "down":
            endpoint = f"http://127.0.0.1:{stack.enter_context(refusing_port())}"
        else:
            collector = stack.enter_context(RawServer(keep_silent if trouble == "silent" else refuse))
            endpoint = f"http://127.0.0.1:{collector.port}"
        printed = must_be_clean(PROGRAM, triton.url, protocol, endpoint)
        assert printed.strip() == "False", "the last export did not end, and was not waited for"
        assert len(triton.seen) == 120
        if trouble != "down":
            assert collector.accepted > 0
