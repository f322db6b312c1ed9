"""The real Triton beside the stack, by the program of the tests that gets and starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collector.running.addresses import HOST, free_ports, is_free
from collector.running.process import Process

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Triton", "bring_triton", "triton_ports"]

PROGRAM = Path(__file__).resolve().parents[2] / "tests" / "support" / "real_triton.py"
HTTP_PORT = 8000
METRICS_PORT = 8002
MODELS = ("add_sub", "sentiment", "slow", "fails")
"""Of the tests' models those that are worth a look; all of them would take some seconds more to load."""


def bring_triton() -> bool:
    """Bring Triton into the user's cache; return whether that went well.  If not, the reason is on standard error."""
    return subprocess.run([sys.executable, str(PROGRAM), "install"], check=False).returncode == 0


class Triton:
    """Triton with some models of the tests, tracing every inference; a context manager.

    Parameters:
        trace_url: Where its spans go, as OTLP over HTTP.
        log: The file for its output.
        http_port: Port of the inference interface.
        metrics_port: Port of its numbers.
        models: The models to load.
    """

    def __init__(
        self, *, trace_url: str, log: Path, http_port: int, metrics_port: int, models: Sequence[str] = MODELS
    ) -> None:
        self.url = f"http://{HOST}:{http_port}"
        command = [sys.executable, str(PROGRAM), "serve", f"--port={http_port}", f"--metrics-port={metrics_port}"]
        command += [f"--trace-url={trace_url}", *(f"--model={model}" for model in models)]
        self.process = Process("Triton", command, ready=f"{self.url}/v2/health/ready", log=log)

    def __enter__(self) -> Self:
        self.process.start()
        self.process.wait_until_ready()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.stop()


def triton_ports(*, standard: bool) -> tuple[int, int]:
    """Return ports for Triton's interface and its numbers: the usual ones where they are free and wanted."""
    spare = free_ports(2)
    usual = [
        port if standard and is_free(port) else other
        for port, other in zip((HTTP_PORT, METRICS_PORT), spare, strict=True)
    ]
    return usual[0], usual[1]
