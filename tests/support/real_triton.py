"""Starts the real Triton Inference Server on the CPU, for the tests and, from the command line, for people.

``python tests/support/real_triton.py --help`` tells what the command line can do.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.triton_install import INSTALL_COMMAND, Installation, TritonUnavailable, install
from support.triton_models.repository import MODELS, write_repository

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["INSTALL_COMMAND", "RealTriton", "TritonDidNotStart", "TritonUnavailable", "install"]

START_TIMEOUT = 120.0
STOP_TIMEOUT = 30.0
PORT_ATTEMPTS = 3
PORT_TAKEN = "already in use"
GUARD = Path(__file__).with_name("guard.py")
SHARED_MEMORY = Path("/dev/shm")


class TritonDidNotStart(Exception):
    """The server ended or did not become ready in time; the text has the end of its log."""


class TritonEnded(Exception):
    """The server ended by itself; the text has the end of its log."""


class RealTriton:
    """One ``tritonserver`` process with the models of ``triton_models``; a context manager.

    Parameters:
        installation: What :func:`install` returned.
        trace_url: OTLP/HTTP address (``…/v1/traces``) to export a trace of every inference to; none without it.
        http_port: Port of the HTTP API; 0 for a free one.
        metrics_port: Port of the Prometheus metrics; 0 for a free one.
        models: Names of the models to load; all of them without it.
        arguments: More arguments for ``tritonserver``.
    """

    def __init__(
        self,
        installation: Installation,
        *,
        trace_url: str | None = None,
        http_port: int = 0,
        metrics_port: int = 0,
        models: Sequence[str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.host = "127.0.0.1"
        self.port = http_port
        self.metrics_port = metrics_port
        self._fixed_ports = (http_port, metrics_port)
        self._installation = installation
        self._trace_url = trace_url
        self._models = list(models) if models is not None else [model.name for model in MODELS]
        self._arguments = list(arguments)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the HTTP API, without a path."""
        return f"http://{self.host}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics."""
        return f"http://{self.host}:{self.metrics_port}/metrics"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self._log_file().read_text(errors="replace") if self._folder is not None else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        ended = None if self._process is None or self._process.poll() is None else self._what_became_of_it()
        self.stop()
        if ended is not None and kind is None:
            raise TritonEnded(ended)

    def start(self) -> None:
        """Start the server and wait until all its models are ready.

        Raises:
            TritonDidNotStart: It ended, or was not ready within two minutes.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="triton_otel-"))
        write_repository(self._folder / "models")
        try:
            for attempt in range(1, PORT_ATTEMPTS + 1):
                self._launch()
                if self._wait_until_ready():
                    return
                taken = PORT_TAKEN in self.log and 0 in self._fixed_ports
                if not taken or attempt == PORT_ATTEMPTS:
                    raise TritonDidNotStart(self._what_became_of_it())
                self._end_process()
        except BaseException:
            self.stop()
            raise

    def wait(self) -> int:
        """Wait until the server ends by itself; return its exit status."""
        assert self._process is not None
        return self._process.wait()

    def stop(self) -> None:
        """End the server and remove what it left; no effect on one that does not run."""
        self._end_process()
        if self._folder is not None:
            for region in SHARED_MEMORY.glob(f"{self._folder.name}*"):
                region.unlink(missing_ok=True)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _launch(self) -> None:
        http_port, metrics_port = self._fixed_ports
        self.port, self.metrics_port = _free_ports(http_port, metrics_port)
        with self._log_file().open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(GUARD), *self._command()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._installation.environment(),
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        assert self._folder is not None
        command = [
            str(self._installation.binary),
            f"--model-repository={self._folder / 'models'}",
            f"--backend-directory={self._installation.backends}",
            f"--backend-config=python,shm-region-prefix-name={self._folder.name}-",
            f"--http-address={self.host}",
            f"--http-port={self.port}",
            f"--metrics-address={self.host}",
            f"--metrics-port={self.metrics_port}",
            "--allow-grpc=false",
            "--allow-gpu-metrics=false",
            "--exit-timeout-secs=5",
            "--model-load-thread-count=4",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self._models),
        ]
        if self._trace_url is not None:
            settings = {
                "mode": "opentelemetry",
                "rate": "1",
                "level": "TIMESTAMPS",
                "opentelemetry,url": self._trace_url,
                "opentelemetry,bsp_max_queue_size": "20000",
                "opentelemetry,bsp_max_export_batch_size": "2048",
                "opentelemetry,bsp_schedule_delay": "200",
            }
            command += [f"--trace-config={name}={value}" for name, value in settings.items()]
        return command + self._arguments

    def _wait_until_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self._answers_ready():
                return True
            time.sleep(0.1)
        return False

    def _answers_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/v2/health/ready")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def _what_became_of_it(self) -> str:
        assert self._process is not None
        status = self._process.poll()
        how = f"was not ready within {START_TIMEOUT:.0f} s" if status is None else f"ended with status {status}"
        tail = "\n".join(line for line in self.log.splitlines() if not line.startswith(("+", "|")))[-4000:]
        return f"tritonserver {how}; the end of its log:\n{tail}"

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
        # A server that ended with a signal leaves the processes of its models.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _log_file(self) -> Path:
        assert self._folder is not None
        return self._folder / "log"


def _free_ports(*wanted: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as stack:
        ports = []
        for port in wanted:
            if port == 0:
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            ports.append(port)
        return tuple(ports)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The real Triton Inference Server, on the CPU, without a container.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="bring Triton into the user's cache and stop there")
    serve = commands.add_parser("serve", help="start it with the models of the tests; Ctrl-C ends it")
    serve.add_argument("--port", type=int, default=8000, help="port of the HTTP API (default: 8000; 0: a free one)")
    serve.add_argument(
        "--metrics-port", type=int, default=8002, help="port of the metrics (default: 8002; 0: a free one)"
    )
    serve.add_argument("--trace-url", help="export traces there, for example http://127.0.0.1:4318/v1/traces")
    serve.add_argument("--model", action="append", dest="models", help="load only this model; may be given again")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"triton_otel: {text}", file=sys.stderr, flush=True)


def _serve(installation: Installation, arguments: argparse.Namespace) -> None:
    server = RealTriton(
        installation,
        trace_url=arguments.trace_url,
        http_port=arguments.port,
        metrics_port=arguments.metrics_port,
        models=arguments.models,
    )
    _say("starting Triton")
    with server:
        _say(f"Triton is ready at {server.url}, its metrics are at {server.metrics_url}; Ctrl-C ends it")
        server.wait()


def main() -> int:
    """Run the command line; return the exit status."""
    arguments = _arguments()
    # The default handler would end this process without taking the server down in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        installation = install(_say)
        if arguments.command == "install":
            _say(f"Triton is in {installation.server}")
        else:
            _serve(installation, arguments)
    except (TritonUnavailable, TritonDidNotStart, TritonEnded) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
