"""The client for tasks.  ``make generate`` makes ``sync.py`` from this module."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from triton_otel import _clock
from triton_otel.client import registry
from triton_otel.client._face import Answer, Prepared
from triton_otel.client.binding import TaskBinding
from triton_otel.client.failures import locate, translate
from triton_otel.errors import ServerError, TritonError
from triton_otel.kserve import routes
from triton_otel.options import ClientConfig
from triton_otel.wire.phases import Attempt

if TYPE_CHECKING:
    import os

    import httpcore
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from typing_extensions import Self

    from triton_otel.kserve.request import Output
    from triton_otel.kserve.result import InferResult
    from triton_otel.options import ConnectionPoolConfig, Duration, Size
    from triton_otel.pool.stats import PoolStats

__all__ = ["AsyncTritonClient"]

T = TypeVar("T")


class AsyncTritonClient(TaskBinding):
    """Client of one Triton Inference Server over HTTP, for the tasks of one event loop, asyncio's or trio's.

    It belongs to the event loop that runs when it is made, or else to the one of its first request.

    Clients with the same settings share one connection pool, whatever their endpoints; the last one that is closed
    closes it.  Every setting that is not given comes from the environment (``TRITON_OTEL_…``), then from its default:
    see ``docs/options.md``.

    Parameters:
        endpoint: ``host:port`` (plain HTTP) or a URL; a base path is kept.
        timeout: Deadline of a call, over queue, connect, TLS, send and receive: seconds, ``timedelta`` or text such as
            ``"5 s"``.  Default 30 s.
        pool: Settings of the connection pool.
        pool_name: Name of the pool in metrics, spans and log.
        model_name: The model of calls that name none.
        model_version: Its version; ``None`` or ``"latest"`` lets the server choose.
        headers: Headers that every request carries.
        auth_token: Sent as ``Authorization: Bearer …``.
        proxy: URL of an HTTP or SOCKS proxy, as ``"http://name:password@proxy:3128"``.  Default unset: none, also where
            the environment names one.
        compression: ``gzip`` or ``deflate``: inferences are sent compressed, and their answers may come so.  Default
            unset: neither.
        max_response_size: Limit of an answer's body, a number of bytes or text such as ``"64 MB"``; a longer one is a
            :class:`DecodeError`.  Default unset: no limit.
        tls_ca_file: PEM file of the authorities to trust.
        tls_cert_file: PEM file of the client's certificate.
        tls_key_file: PEM file of its key.
        tls_key_password: Password of the key.
        tls_verify: Whether the server's certificate is verified.  Default ``True``.
        tls_server_name: Name to ask for and to verify in place of the endpoint's host.
        telemetry_metrics: ``off``, ``basic`` (default) or ``full``.
        telemetry_spans: ``off``, ``basic`` (default), ``full`` or ``debug``.
        telemetry_propagation: When the W3C trace context is sent: ``always`` (default), ``sampled`` or ``off``.
        telemetry_log_fallback: When the pool's numbers go to the log, if monitoring is on: ``auto`` (default),
            ``always`` or ``off``.
        tracer_provider: OpenTelemetry's tracer provider; ``None`` for the global one.
        meter_provider: OpenTelemetry's meter provider; ``None`` for the global one.
        network_backend: httpcore's network backend; ``None`` for sockets.

    Raises:
        ConfigError: A setting is wrong.  Nothing has been opened then.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        timeout: Duration | None = None,
        pool: ConnectionPoolConfig | None = None,
        pool_name: str | None = None,
        model_name: str | None = None,
        model_version: str | int | None = None,
        headers: Mapping[str, str] | str | None = None,
        auth_token: str | None = None,
        proxy: str | None = None,
        compression: str | None = None,
        max_response_size: Size | None = None,
        tls_ca_file: str | os.PathLike[str] | None = None,
        tls_cert_file: str | os.PathLike[str] | None = None,
        tls_key_file: str | os.PathLike[str] | None = None,
        tls_key_password: str | None = None,
        tls_verify: bool | None = None,
        tls_server_name: str | None = None,
        telemetry_metrics: str | None = None,
        telemetry_spans: str | None = None,
        telemetry_propagation: str | None = None,
        telemetry_log_fallback: str | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        network_backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        config = ClientConfig.from_arguments(
            endpoint,
            timeout=timeout,
            pool=pool,
            pool_name=pool_name,
            model_name=model_name,
            model_version=model_version,
            headers=headers,
            auth_token=auth_token,
            proxy=proxy,
            compression=compression,
            max_response_size=max_response_size,
            tls_ca_file=tls_ca_file,
            tls_cert_file=tls_cert_file,
            tls_key_file=tls_key_file,
            tls_key_password=tls_key_password,
            tls_verify=tls_verify,
            tls_server_name=tls_server_name,
            telemetry_metrics=telemetry_metrics,
            telemetry_spans=telemetry_spans,
            telemetry_propagation=telemetry_propagation,
            telemetry_log_fallback=telemetry_log_fallback,
        )
        self._start(config, tracer_provider, meter_provider, network_backend)

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, object],
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        network_backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> AsyncTritonClient:
        """Return a client from options with Flink's keys, as ``{"endpoint": …, "connection-pool-max-idle": "30"}``.

        Parameters:
            options: Keys of ``docs/options.md`` to values; text as in Flink, or values of the type itself.
            tracer_provider: As for the constructor.
            meter_provider: As for the constructor.
            network_backend: As for the constructor.

        Raises:
            ConfigError: A key is unknown or a value is wrong.
        """
        client = cls.__new__(cls)
        client._start(ClientConfig.from_options(options), tracer_provider, meter_provider, network_backend)
        return client

    async def infer(
        self,
        model: str | Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: str | int | None = None,
        outputs: Sequence[str | Output] | None = None,
        request_id: str | None = None,
        parameters: Mapping[str, str | int | float | bool] | None = None,
        server_timeout: int | None = None,
        timeout: Duration | None = None,
        headers: Mapping[str, str] | None = None,
        binary: bool = True,
    ) -> InferResult:
        """Run an inference; makes no other request than that.

        Parameters:
            model: Name of the model; may be left out when the client has one.
            inputs: Input name to array, sequence, ``str``, ``bytes``, number or :class:`triton_otel.Input`.
            version: Version of the model; ``None`` or ``"latest"`` lets the server choose.
            outputs: Names or :class:`triton_otel.Output` of the outputs wanted; ``None`` for all.
            request_id: Id that the server repeats in its answer, its log and its spans.
            parameters: Parameters of the request for the model.
            server_timeout: Triton's own time-out in its queue, in microseconds.
            timeout: Deadline of this call in place of the client's.
            headers: More headers for this request.
            binary: ``True`` sends and asks for tensors in binary, ``False`` in JSON.  JSON cannot carry FP16 and BF16,
                and Triton 2.51 reads some FP64 numbers in it one bit off; binary is exact.

        Returns:
            The outputs by name, with ``timing`` and ``connection``.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            ServerError: The server refused or failed, with its own message.
            PoolTimeout, ConnectTimeout, RequestTimeout: The deadline passed.
            PoolFull: The queue for a connection is full.
            ConnectError, ProtocolError, DecodeError: There was no usable answer.
            ClientClosed: The client is closed.
        """
        prepared = self._face.infer(
            model,
            inputs,
            version=version,
            outputs=outputs,
            request_id=request_id,
            parameters=parameters,
            server_timeout=server_timeout,
            headers=headers,
            binary=binary,
        )
        return await self._request(prepared, timeout, self._face.read_infer)

    async def server_live(self, *, timeout: Duration | None = None, headers: Mapping[str, str] | None = None) -> bool:
        """Tell whether the server lives.  Errors of the transport are raised, as by :meth:`infer`."""
        return await self._probe(routes.server_live(), timeout, headers)

    async def server_ready(self, *, timeout: Duration | None = None, headers: Mapping[str, str] | None = None) -> bool:
        """Tell whether the server takes inference requests.  Errors as for :meth:`server_live`."""
        return await self._probe(routes.server_ready(), timeout, headers)

    async def model_ready(
        self,
        model: str | None = None,
        version: str | int | None = None,
        *,
        timeout: Duration | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        """Tell whether a model is ready; ``False`` also for one that the server does not know."""
        return await self._probe(self._face.model_route(model, version, routes.model_ready), timeout, headers)

    async def server_metadata(
        self, *, timeout: Duration | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the server's name, version and extensions, as it says them."""
        prepared = self._face.probe(routes.server_metadata(), headers)
        return await self._request(prepared, timeout, self._face.read_json)

    async def model_metadata(
        self,
        model: str | None = None,
        version: str | int | None = None,
        *,
        timeout: Duration | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return a model's versions, platform, inputs and outputs, as the server says them.

        Raises:
            ServerError: The server does not know the model.
        """
        prepared = self._face.probe(self._face.model_route(model, version, routes.model_metadata), headers)
        return await self._request(prepared, timeout, self._face.read_json)

    async def model_config(
        self,
        model: str | None = None,
        version: str | int | None = None,
        *,
        timeout: Duration | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return a model's configuration, as its instances and largest batch; an extension of Triton's.

        Raises:
            ServerError: The server does not know the model, or has no configurations.
        """
        prepared = self._face.probe(self._face.model_route(model, version, routes.model_config), headers)
        return await self._request(prepared, timeout, self._face.read_json)

    def pool_stats(self) -> PoolStats:
        """Return the numbers of the pool, which other clients may share, all of one moment."""
        return self._stats()

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return str(self._endpoint)

    @property
    def pool_name(self) -> str | None:
        """Name of the pool in metrics, spans and log; ``None`` until there is one."""
        return None if self._core is None else self._core.name

    @property
    def closed(self) -> bool:
        """Whether :meth:`aclose` was called."""
        return self._closed

    async def aclose(self) -> None:
        """Give the pool back; the last client that shares it closes its sockets before this returns.

        Calling it again does nothing.
        """
        self._detach()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: types.TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._closed else str(self._stats()).removeprefix("Connection Pool Stats - ")
        return f"<AsyncTritonClient {self._endpoint} [{self.pool_name}: {state}]>"

    def __del__(self) -> None:
        lease = self.__dict__.get("_lease")
        if lease is not None and not sys.is_finalizing():
            self._lease = self._live = None
            registry.abandon(lease)
            warnings.warn(f"unclosed client {self._endpoint}", ResourceWarning, source=self, stacklevel=2)

    async def _probe(self, route: routes.Route, timeout: Duration | None, headers: Mapping[str, str] | None) -> bool:
        return await self._request(self._face.probe(route, headers), timeout, self._face.read_ready, expected=True)

    async def _request(
        self,
        prepared: Prepared,
        timeout: Duration | None,
        read: Callable[[Prepared, Answer], T],
        *,
        expected: bool = False,
    ) -> T:
        """Send a request, read its answer, and tell telemetry of it either way."""
        face = self._face
        seconds = face.default_timeout if timeout is None else face.timeout(timeout)
        core = self._live or self._enter()
        started = _clock.now()
        attempt = Attempt(started, started + seconds)
        call = self._telemetry.begin(
            prepared.route, request_id=prepared.request_id, started=started, headers=prepared.headers
        )
        status = None
        try:
            status, headers, body = await core.exchange(face.request(prepared), attempt, self._queue_timeout)
            result = read(prepared, Answer(status, headers, body, attempt))
        except TritonError as error:
            locate(error, self._endpoint, core.stats())
            error_type = None if isinstance(error, ServerError) else "decode_error"
            self._telemetry.end(call, attempt, status=status, error_type=error_type, error=error)
            raise
        except Exception as error:
            translated, error_type = translate(error, attempt, self._endpoint, core.stats())
            self._telemetry.end(call, attempt, status=status, error_type=error_type, error=translated or error)
            if translated is None:
                raise
            try:
                raise translated from error
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del translated
        except BaseException:
            self._telemetry.end(call, attempt, status=status, cancelled=True)
            raise
        self._telemetry.end(call, attempt, status=status, expected=expected)
        return result
