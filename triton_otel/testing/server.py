"""The embedded server: a KServe v2 server on uvicorn, in a thread of this process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from triton_otel.errors import ConfigError
from triton_otel.testing.app import KServeApp
from triton_otel.testing.injection import Injection, Injections
from triton_otel.testing.ledger import Ledger, SeenRequest
from triton_otel.testing.model import Model, default_models

if TYPE_CHECKING:
    from typing_extensions import Self

    from triton_otel.testing.fault import Fault
    from triton_otel.testing.runner import Runner

__all__ = ["EmbeddedTriton"]

Path = str | PathLike[str]


class EmbeddedTriton:
    """A server that speaks Triton's HTTP API, for tests and demonstrations.

    Serves health, metadata and inference (JSON and the binary tensor extension) of the given models, with Triton's
    error texts and statuses.  All methods may be called from any thread.  A context manager: ``with`` starts and stops
    it.

    Parameters:
        models: The models; default :func:`~triton_otel.testing.default_models`.
        tls: Certificate file and key file (PEM), or an ``ssl.SSLContext`` of one's own.  Default plain HTTP.
        latency: Seconds that every inference sleeps before it is answered, without holding up others; the attribute may
            be changed while the server runs.  Default 0.
        host: Address to listen on.  Default ``"127.0.0.1"``.
        port: Port to listen on.  Default 0, a free one, which is kept when the server is stopped and started again.
        base_path: Path before ``/v2``, such as ``"/triton"``.  Default none.
        keep_alive: Seconds after which the server closes an idle connection.  Default ``None``, never, as Triton.
        keep: How many requests :attr:`seen` holds.  Default 1000.
        http: Parser: ``"httptools"`` (fast), ``"h11"``, or ``"auto"``, the first that is installed.

    Raises:
        ConfigError: A base path that does not start with a slash or ends with one.
    """

    def __init__(
        self,
        models: Iterable[Model] | None = None,
        *,
        tls: tuple[Path, Path] | ssl.SSLContext | None = None,
        latency: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        base_path: str = "",
        keep_alive: float | None = None,
        keep: int = 1000,
        http: Literal["auto", "httptools", "h11"] = "auto",
    ) -> None:
        if base_path and (not base_path.startswith("/") or base_path.endswith("/")):
            raise ConfigError(f"base_path must be empty or start and not end with a slash, not {base_path!r}")
        self.host = host
        self.port = port
        self._base_path = base_path
        self._keep_alive = keep_alive
        self._parser = http
        self._ledger = Ledger(keep)
        self._injections = Injections()
        chosen = default_models() if models is None else models
        self._app = KServeApp(chosen, self._ledger, self._injections, latency, base_path)
        self._tls = _context(tls)
        self._runner: Runner | None = None
        self._lifecycle = threading.Lock()

    def start(self) -> EmbeddedTriton:
        """Start serving; returns when connections are accepted.  Does nothing when it runs.

        Raises:
            ModuleNotFoundError: uvicorn is not installed; names the extra that brings it.
            OSError: The address cannot be listened on.
        """
        try:
            from triton_otel.testing.runner import Runner
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "uvicorn":
                raise
            raise ModuleNotFoundError(
                "EmbeddedTriton needs uvicorn, which is not installed; pip install 'triton-otel[testing]'",
                name="uvicorn",
            ) from error
        with self._lifecycle:
            if self._runner is None:
                runner = Runner(self._app, self._ledger, self._injections, self._tls, self._keep_alive, self._parser)
                self.port = runner.start(self.host, self.port)
                self._runner = runner
        return self

    def stop(self) -> None:
        """Stop serving: close the listening socket and every connection, end the thread.  Does nothing when stopped."""
        with self._lifecycle:
            if self._runner is not None:
                self._runner.stop()
                self._runner = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<EmbeddedTriton {self.url} {'running' if self._runner is not None else 'stopped'}>"

    @property
    def url(self) -> str:
        """Where clients find the server: scheme, host, port and base path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls is not None else 'http'}://{host}:{self.port}{self._base_path}"

    @property
    def connections_accepted(self) -> int:
        """Connections accepted since the server was made."""
        return self._ledger.accepted

    @property
    def connections_open(self) -> int:
        """Connections that the server has open now, those still in their TLS handshake among them."""
        return self._ledger.open

    @property
    def requests(self) -> int:
        """Requests whose head has arrived since the server was made, those met with a fault among them."""
        return self._ledger.requests

    @property
    def seen(self) -> list[SeenRequest]:
        """The last requests, oldest first."""
        return self._ledger.seen

    @property
    def models(self) -> dict[str, Model]:
        """The models by name; may be changed while the server runs."""
        return self._app.models

    @property
    def latency(self) -> float:
        """Seconds that every inference sleeps before it is answered."""
        return self._app.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._app.latency = seconds

    @property
    def live(self) -> bool:
        """What the server says of itself at ``/v2/health/live``; may be set."""
        return self._app.live

    @live.setter
    def live(self, value: bool) -> None:
        self._app.live = value

    @property
    def ready(self) -> bool:
        """What the server says of itself at ``/v2/health/ready``; may be set."""
        return self._app.ready

    @ready.setter
    def ready(self, value: bool) -> None:
        self._app.ready = value

    def inject(
        self,
        fault: Fault,
        times: int | None = 1,
        path: str | None = None,
        *,
        when: Callable[[SeenRequest], object] | None = None,
    ) -> Injection:
        """Let the server misbehave.

        Faults wait in line; a request meets the first that is meant for it.

        Parameters:
            fault: What to do.
            times: How often; ``None`` until :meth:`clear_faults`.  Default once.
            path: Only for requests whose path (as sent, without query) fits this shell-style pattern, as in
                ``"/v2/models/*/infer"``.
            when: Only for requests for which this function is true; runs in the server's thread.

        Returns:
            An object whose ``played`` tells how often it has happened.
        """
        injection = Injection(fault, times, path, when)
        self._injections.add(injection)
        return injection

    def clear_faults(self) -> None:
        """Forget every fault that waits."""
        self._injections.clear()

    def close_idle(self, reset: bool = False) -> int:
        """Close the connections on which no request is being served.

        Parameters:
            reset: With a RST; default with a FIN, as a server that found them idle for too long.

        Returns:
            How many were closed; their sockets are closed on the server's side when it returns.
        """
        with self._lifecycle:
            return 0 if self._runner is None else self._runner.close_idle(reset)

    def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> bool:
        """Wait until something is true, usually of this server's counters.

        Parameters:
            predicate: Asked again at every change of the counters, and every few hundredths of a second.
            timeout: Seconds.  Default 10.

        Returns:
            ``True``.

        Raises:
            TimeoutError: It did not become true; the text has the counters.
        """
        self._ledger.wait_for(predicate, timeout)
        return True


def _context(tls: tuple[Path, Path] | ssl.SSLContext | None) -> ssl.SSLContext | None:
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    return context
