"""The process of one client, with the clients as the benchmarks want them."""

from __future__ import annotations

from triton_otel.cli.bench.kinds import HTTPCORE, KINDS, OURS, OURS_ASYNC, TRITON, Kind
from triton_otel.cli.bench.worker import main

FILLED = {OURS: "Ours", OURS_ASYNC: "AsyncOurs", TRITON: "TritonHttp", HTTPCORE: "Httpcore"}

if __name__ == "__main__":
    main({**KINDS, **{name: Kind(f"benchmarks.filled:{place}") for name, place in FILLED.items()}})
