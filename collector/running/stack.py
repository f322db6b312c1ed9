"""Collector, Jaeger and Prometheus, started together with this folder's configuration."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collector.running.addresses import HOST, Addresses, chosen
from collector.running.process import DidNotStart, Process

if TYPE_CHECKING:
    from typing_extensions import Self

    from collector.parts import Parts

__all__ = ["Stack"]

HERE = Path(__file__).resolve().parents[1]
CONFIG = HERE / "config.yaml"
FILELOG = HERE / "filelog.yaml"
PROMETHEUS_CONFIG = HERE / "prometheus" / "prometheus.yml"
RULES = HERE.parent / "dashboards" / "prometheus"
ATTEMPTS = 3
PORT_TAKEN = "address already in use"
INTERVAL = "interval: 15s"
MONITOR = {
    "METRICS_STORAGE_TYPE": "prometheus",
    "PROMETHEUS_QUERY_NAMESPACE": "traces_span_metrics",
    "PROMETHEUS_QUERY_DURATION_UNIT": "s",
    "PROMETHEUS_QUERY_NORMALIZE_CALLS": "true",
    "PROMETHEUS_QUERY_NORMALIZE_DURATION": "true",
}
"""How Jaeger finds the collector's span metrics, for its page "Monitor"; as in ``compose.yaml``."""


class Stack:
    """The three programs, on this machine's loopback address; a context manager.

    Parameters:
        parts: Where the programs are.
        standard_ports: Take the ports that people expect, wherever they are free.
        configs: The collector's configuration files; the later ones add to the earlier ones.
        variables: Values for the variables of the configuration, except the addresses, which are set here.
        interval: How often Prometheus asks for numbers and evaluates rules.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        standard_ports: bool = False,
        configs: Sequence[Path] = (CONFIG,),
        variables: Mapping[str, str] | None = None,
        interval: str = "15s",
    ) -> None:
        self.addresses = Addresses()
        self._parts = parts
        self._standard = standard_ports
        self._configs = configs
        self._variables = dict(variables or {})
        self._interval = interval
        self._folder = Path()
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def collector(self) -> Process:
        """The collector's process, to be killed and started again."""
        return next(process for process in self._processes if process.name == "collector")

    @property
    def processes(self) -> tuple[Process, ...]:
        """The processes, in the order of their start."""
        return tuple(self._processes)

    def start(self) -> None:
        """Start the programs and wait until all are ready.

        Raises:
            DidNotStart: One ended, or was not ready within a minute.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="triton_otel-stack-"))
        try:
            for attempt in range(1, ATTEMPTS + 1):
                self.addresses = chosen(standard=self._standard)
                try:
                    self._start_all()
                    return
                except DidNotStart as error:
                    # Between the choice of a port and its use another program may have taken it.
                    if PORT_TAKEN not in str(error) or attempt == ATTEMPTS:
                        raise
                    self._end_all()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the programs and remove what they left, traces and numbers included."""
        self._end_all()
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = Path()

    def _start_all(self) -> None:
        self._processes = [self._jaeger(), self._collector(), self._prometheus()]
        for process in self._processes:
            process.start()
        for process in self._processes:
            process.wait_until_ready()

    def _end_all(self) -> None:
        # Those that send first: what the collector still holds goes to Jaeger.
        for process in [self._processes[i] for i in (1, 0, 2) if i < len(self._processes)]:
            with contextlib.suppress(OSError):
                process.stop()
        self._processes = []

    def _collector(self) -> Process:
        at = self.addresses
        variables = {
            **self._variables,
            "COLLECTOR_OTLP_GRPC_ENDPOINT": at.address("otlp_grpc"),
            "COLLECTOR_OTLP_HTTP_ENDPOINT": at.address("otlp_http"),
            "COLLECTOR_PROMETHEUS_ENDPOINT": at.address("exported"),
            "COLLECTOR_METRICS_HOST": HOST,
            "COLLECTOR_METRICS_PORT": str(at.collector_metrics),
            "COLLECTOR_HEALTH_ENDPOINT": at.address("health"),
            "JAEGER_OTLP_ENDPOINT": at.address("jaeger_otlp"),
        }
        command = [str(self._parts.collector), *(f"--config={config}" for config in self._configs)]
        return Process("collector", command, ready=at.url("health"), log=self.log_file("collector"), more=variables)

    def _jaeger(self) -> Process:
        at = self.addresses
        listens = {
            "collector.otlp.grpc": at.jaeger_otlp,
            "collector.otlp.http": 0,
            "collector.grpc-server": 0,
            "collector.http-server": 0,
            "query.grpc-server": 0,
            "query.http-server": at.jaeger,
            "admin.http": at.jaeger_admin,
        }
        command = [str(self._parts.jaeger), *(f"--{name}.host-port={HOST}:{port}" for name, port in listens.items())]
        # It would trace its own queries, and send them to whoever listens at the usual OTLP port: our collector.
        quiet = {"OTEL_TRACES_SAMPLER": "always_off"}
        more = {"SPAN_STORAGE_TYPE": "memory", "PROMETHEUS_SERVER_URL": at.url("prometheus"), **MONITOR, **quiet}
        return Process("Jaeger", command, ready=at.url("jaeger_admin"), log=self.log_file("jaeger"), more=more)

    def _prometheus(self) -> Process:
        at = self.addresses
        command = [
            str(self._parts.prometheus),
            f"--config.file={self._prometheus_config()}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={at.address('prometheus')}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]
        ready = f"{at.url('prometheus')}/-/ready"
        return Process("Prometheus", command, ready=ready, log=self.log_file("prometheus"))

    def _prometheus_config(self) -> Path:
        """Write Prometheus's configuration with the addresses of this run; the rules are linked beside it."""
        text = PROMETHEUS_CONFIG.read_text(encoding="utf-8")
        text = text.replace("collector:8889", self.addresses.address("exported"))
        text = text.replace("collector:8888", self.addresses.address("collector_metrics"))
        path = self._folder / "prometheus.yml"
        path.write_text(text.replace(INTERVAL, f"interval: {self._interval}"), encoding="utf-8")
        rules = self._folder / "rules"
        if RULES.is_dir() and not rules.exists():
            rules.symlink_to(RULES)
        return path

    def log_file(self, name: str) -> Path:
        """Return the file for a program's output, in the folder that ends with the stack."""
        return self._folder / f"{name}.log"
