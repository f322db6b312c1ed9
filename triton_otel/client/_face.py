"""The client's face without I/O: from a call's arguments to a request, from an answer to its result.

What is the same for every request of a client is put together once, here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.client.coding import compress, decompress, encoding_of, error_body, plain_body
from triton_otel.client.headers import encoded, merged
from triton_otel.client.prepared import Answer, Headers, Known, Plan, Prepared
from triton_otel.errors import ConfigError, ServerError
from triton_otel.kserve import routes
from triton_otel.kserve.binary import header_length_of
from triton_otel.kserve.request import Output, all_plain, build_infer, plain_parts
from triton_otel.kserve.response import error_message, parse_infer, parse_json
from triton_otel.kserve.result import InferResult
from triton_otel.options import check_header, parse_duration
from triton_otel.wire.encoder import BadRequest, encode_head, extend_head
from triton_otel.wire.limits import EXTENSION as MAX_RESPONSE_SIZE
from triton_otel.wire.message import RequestPlan, WireRequest

if TYPE_CHECKING:
    from triton_otel.kserve.routes import Route
    from triton_otel.options import ClientConfig, Duration

__all__ = ["Answer", "Face", "Prepared"]

_HEADER_LENGTH = b"inference-header-content-length"
_TRACE_HEADERS = frozenset({"traceparent", "tracestate"})

_MAX_ROUTES = 1024
_MAX_PLANS = 1024

# Triton's own request time-out is an unsigned number of microseconds.
_MAX_SERVER_TIMEOUT = 2**63 - 1

_VERSIONS = frozenset({str, int})
_LISTS = frozenset({list, tuple})
_OUTPUTS = frozenset({str, Output})


class Face:
    """Builds requests and reads answers for one client.

    Parameters:
        config: The client's settings.
        user_agent: Value of the ``User-Agent`` header.
    """

    def __init__(self, config: ClientConfig, user_agent: str) -> None:
        self._model_name = config.model_name
        self._model_version = config.model_version
        self.default_timeout = config.timeout
        self._propagates = config.telemetry.propagation != "off"
        endpoint = config.endpoint
        self._base_path = endpoint.base_path.encode("ascii")
        self._url_parts = (endpoint.scheme.encode("ascii"), endpoint.host.encode("ascii"), endpoint.port)
        headers = {"Host": endpoint.authority, "User-Agent": user_agent}
        if config.auth_token is not None:
            headers["Authorization"] = f"Bearer {config.auth_token}"
        self._compression, self._max_size = config.compression, config.max_response_size
        if config.compression is not None:
            headers["Accept-Encoding"] = config.compression
        self._check_trace(dict(config.headers), "custom-headers")
        self._headers = merged(encoded(headers), config.headers)
        self._known: dict[tuple[str, str], Known] = {}
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._heard: tuple[Headers, int | None, bytes | None] = ([], None, None)
        # Each of the client's calls may be repeated: it reads, or it is an inference outside of a sequence.
        self._extensions: dict[str, Any] = {
            "timeout": {"connect": config.pool.connection_timeout},
            "idempotent": True,
        }
        if self._max_size is not None:
            self._extensions[MAX_RESPONSE_SIZE] = self._max_size
        if config.tls.server_name is not None:
            self._extensions["sni_hostname"] = config.tls.server_name

    def timeout(self, timeout: Duration | None) -> float:
        """Return the deadline of a call in seconds from its begin.

        Raises:
            ConfigError: The time-out is no duration.
        """
        return self.default_timeout if timeout is None else parse_duration(timeout, name="timeout")

    def probe(self, route: Route, headers: Mapping[str, str] | None) -> Prepared:
        """Return a request without a body."""
        return Prepared(route, self._with(headers), [])

    def model_route(self, model: str | None, version: str | int | None, kind: Any) -> Route:
        """Return the route of a call about a model, which may be the client's own.

        Raises:
            ConfigError: No model is named, or one that cannot be.
        """
        if model is None:
            if self._model_name is None:
                raise ConfigError("model: no model is named; pass one, or set model-name in the options")
            model = self._model_name
        if version == "latest":
            # Flink's word for no version, to which Triton answers 404.
            version = None
        elif version is None and model == self._model_name:
            version = self._model_version
        route: Route = kind(model, version)
        return route

    def infer(
        self,
        model: str | Mapping[str, Any] | None,
        inputs: Mapping[str, Any] | None,
        *,
        version: str | int | None,
        outputs: Sequence[str | Output] | None,
        request_id: str | None,
        parameters: Mapping[str, str | int | float | bool] | None,
        server_timeout: int | None,
        headers: Mapping[str, str] | None,
        binary: bool,
    ) -> Prepared:
        """Return an inference request.

        Raises:
            ConfigError: An argument is wrong; the text names it.
        """
        plain = binary is True and self._compression is None
        if plain and request_id is None and parameters is None and server_timeout is None and headers is None:
            if inputs is None and type(model) is dict:
                model, inputs = None, model
            prepared = self._planned(model, inputs, version, outputs)
            if prepared is not None:
                return prepared
        return self._built(
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

    def _planned(
        self,
        model: str | Mapping[str, Any] | None,
        inputs: Mapping[str, Any] | None,
        version: str | int | None,
        outputs: Sequence[str | Output] | None,
    ) -> Prepared | None:
        """Return a request by its plan, made at the first request of its kind; ``None`` for one that has no plan."""
        # Types are compared, not instances: what is equal without being the same, as 1 and True, must not share a plan.
        if (model is not None and type(model) is not str) or (version is not None and type(version) not in _VERSIONS):
            return None
        key: list[object] = [model, version]
        if outputs is None:
            key.append(None)
        elif type(outputs) in _LISTS and all(type(output) in _OUTPUTS for output in outputs):
            key.append(tuple(outputs))
        else:
            return None
        parts = plain_parts(inputs, key)
        if parts is None:
            return None
        whole = tuple(key)
        plan = self._plans.get(whole)
        if plan is None:
            if not all_plain(key[3:]):
                return None
            built = self._built(model, inputs, version=version, outputs=outputs)
            known = self._known.get((built.route.method, built.route.path)) or self._learn(built.route)
            try:
                request = RequestPlan(
                    known.method, known.url, built.headers, bytes(built.buffers[0]), self._extensions, known.key
                )
            except httpcore.LocalProtocolError:
                # Told where a request of its own is told that.
                return built
            # The names and shapes come from the caller: without a limit the memory would be his to fill.
            if len(self._plans) >= _MAX_PLANS:
                self._plans = {}
            plan = self._plans[whole] = Plan(built.route, request, built.expected)
        return Prepared(plan.route, [], parts, expected=plan.expected, plan=plan.request)

    def _built(
        self,
        model: str | Mapping[str, Any] | None,
        inputs: Mapping[str, Any] | None,
        *,
        version: str | int | None,
        outputs: Sequence[str | Output] | None,
        request_id: str | None = None,
        parameters: Mapping[str, str | int | float | bool] | None = None,
        server_timeout: int | None = None,
        headers: Mapping[str, str] | None = None,
        binary: bool = True,
    ) -> Prepared:
        if isinstance(model, Mapping):
            if inputs is not None:
                raise ConfigError("model: a mapping is the inputs, but inputs is given as well; pass the model's name")
            model, inputs = None, model
        if inputs is None:
            raise ConfigError("inputs: none are given; pass a mapping of input name to array")
        route = self.model_route(model, version, routes.infer)
        if server_timeout is not None:
            if type(server_timeout) is not int or not 1 <= server_timeout <= _MAX_SERVER_TIMEOUT:
                raise ConfigError(f"server_timeout: {server_timeout!r} is no whole number of microseconds above 0")
            if parameters is not None and not isinstance(parameters, Mapping):
                raise ConfigError(f"parameters must be a mapping of name to value, not {type(parameters).__name__}")
            parameters = {**(parameters or {}), "timeout": server_timeout}
        body = build_infer(inputs, outputs, request_id=request_id, parameters=parameters, binary=binary)
        all_headers = self._with(headers)
        if body.header_length is None:
            all_headers.append((b"Content-Type", b"application/json"))
        else:
            all_headers.append((b"Content-Type", b"application/octet-stream"))
            all_headers.append((b"Inference-Header-Content-Length", b"%d" % body.header_length))
        buffers, length = [body.head, *body.buffers], body.content_length
        if self._compression is not None:
            # The length of the JSON above stays that of the plain one: the server reads it after it has unpacked.
            all_headers.append((b"Content-Encoding", self._compression.encode("ascii")))
            buffers = [compress(buffers, self._compression)]
            length = len(buffers[0])
        all_headers.append((b"Content-Length", b"%d" % length))
        expected = [output.name if isinstance(output, Output) else output for output in outputs or ()]
        return Prepared(route, all_headers, buffers, request_id=request_id, expected=expected or None)

    def request(self, prepared: Prepared) -> httpcore.Request:
        """Return httpcore's request for it."""
        plan, headers, buffers = prepared.plan, prepared.headers, prepared.buffers
        if plan is not None:
            if not headers or plan.names.isdisjoint([name.lower() for name, _ in headers]):
                return plan.request(headers, buffers)
            # A propagator of the application's has written a header that the client or its user writes as well.
            replaced = {name.lower() for name, _ in headers}
            headers = [header for header in plan.headers if header[0].lower() not in replaced] + headers
            buffers = [plan.part, *buffers]
        route = prepared.route
        known = self._known.get((route.method, route.path)) or self._learn(route)
        own = len(self._headers)
        try:
            if headers[:own] == self._headers:
                head = extend_head(known.head, headers[own:], sum(map(len, buffers)))
            else:
                head = encode_head(known.method, known.url.target, headers)
        except BadRequest as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        return WireRequest(known.method, known.url, headers, buffers, self._extensions, head, known.key)

    def _learn(self, route: Route) -> Known:
        scheme, host, port = self._url_parts
        target = self._base_path + route.path.encode("ascii")
        url = httpcore.URL(scheme=scheme, host=host, port=port, target=target)
        # Paths hold model names, which come from the caller: without a limit the memory would be his to fill.
        if len(self._known) >= _MAX_ROUTES:
            self._known = {}
        known = self._known[route.method, route.path] = Known(route.method.encode("ascii"), url, self._headers)
        return known

    @staticmethod
    def check_status(answer: Answer) -> None:
        """Raise what an answer other than 200 means.

        Raises:
            ServerError: With Triton's own message where it sent one.
        """
        if answer.status != 200:
            message = error_message(error_body(answer.headers, answer.body))
            if message is None:
                message = "the server redirects, which is not followed" if 300 <= answer.status < 400 else "no message"
            raise ServerError(message, status=answer.status)

    def read_infer(self, prepared: Prepared, answer: Answer) -> InferResult:
        """Return the result of an inference.

        Raises:
            ServerError: The server refused or failed.
            DecodeError: The answer does not fit itself.
        """
        if answer.status != 200:
            self.check_status(answer)
        headers, length, encoding = self._heard
        if answer.headers is not headers:
            # Equal answers share their headers, see RequestPlan.
            length = None
            for name, value in answer.headers:
                if name.lower() == _HEADER_LENGTH:
                    length = header_length_of(value)
            encoding = encoding_of(answer.headers)
            self._heard = (answer.headers, length, encoding)
        body = answer.body
        if encoding is not None:
            body = decompress(body, encoding, self._max_size, length)
        parsed = parse_infer(body, length, prepared.expected)
        return InferResult(parsed, attempt=answer.attempt)

    def read_json(self, _prepared: Prepared, answer: Answer) -> dict[str, Any]:
        """Return an answer that is a JSON object."""
        self.check_status(answer)
        return parse_json(plain_body(answer.headers, answer.body, self._max_size))

    @staticmethod
    def read_ready(_prepared: Prepared, answer: Answer) -> bool:
        """Return what a probe says.

        Raises:
            ServerError: A redirect or a refused credential: that says nothing of the server's readiness.
        """
        if 300 <= answer.status < 400 or answer.status in (401, 403):
            Face.check_status(answer)
        return answer.status == 200

    def _with(self, headers: Mapping[str, str] | None) -> Headers:
        if not headers:
            return self._headers.copy()
        if not isinstance(headers, Mapping):
            raise ConfigError(f"headers: {type(headers).__name__} is no mapping of name to value")
        for name, value in headers.items():
            check_header(name, value, option="headers")
        if len({name.lower() for name in headers}) < len(headers):
            raise ConfigError("headers: two names differ in nothing but their case; leave one out")
        self._check_trace(headers, "headers")
        return merged(self._headers, tuple(headers.items()))

    def _check_trace(self, headers: Mapping[str, str], option: str) -> None:
        for name in headers:
            if self._propagates and name.lower() in _TRACE_HEADERS:
                raise ConfigError(
                    f"{option}: {name} is written by the client, from the current span; "
                    "to send one of your own set telemetry.propagation to off"
                )
