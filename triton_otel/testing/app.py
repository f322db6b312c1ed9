"""The ASGI application: Triton's HTTP API over a set of models.

Source: Open Inference Protocol v2 (REST); error texts and statuses are those of Triton 2.51.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from triton_otel.testing.answer import Answer, Refusal, empty, error, json_answer
from triton_otel.testing.coding import packed, unpacked
from triton_otel.testing.exchange import Exchange, Receive, Send, deliver, read_body
from triton_otel.testing.inference import infer
from triton_otel.testing.ledger import Ledger, SeenRequest

if TYPE_CHECKING:
    from triton_otel.testing.injection import Injections
    from triton_otel.testing.model import Model
    from triton_otel.testing.protocol import Connection

__all__ = ["KServeApp"]

_SERVER_METADATA = {
    "name": "triton",
    "version": "2.51.0",
    "extensions": ["binary_tensor_data", "parameters"],
}

# More paths than this are not kept, so that a test with random paths does not fill the memory.
_MAX_KNOWN_PATHS = 1000


class _Target(NamedTuple):
    kind: str
    model: str = ""
    version: str = ""


_NOWHERE = _Target("nowhere")


class KServeApp:
    """Answers requests.

    Parameters:
        models: The models being served.
        ledger: Where requests are recorded.
        injections: The faults to be played.
        latency: Seconds to sleep before the answer to an inference.
        base_path: Path before ``/v2``, without a slash at its end.
    """

    def __init__(
        self, models: Iterable[Model], ledger: Ledger, injections: Injections, latency: float, base_path: str
    ) -> None:
        self.models = {model.name: model for model in models}
        self.latency = latency
        self.live = True
        self.ready = True
        self._ledger = ledger
        self._injections = injections
        self._base_path = base_path
        self._targets: dict[str, _Target] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Record the request, then answer it or play the fault that is due."""
        connection: Connection = scope["state"]["connection"]
        connection.served += 1
        path: str = scope["raw_path"].decode("latin-1")
        query: str = scope["query_string"].decode("latin-1")
        seen = SeenRequest(scope["method"], path, query, scope["headers"], connection.number, connection.served)
        self._ledger.saw(seen)
        try:
            injection = self._injections.take(seen) if self._injections.waiting else None
            if injection is None:
                answer = await self.answer(seen, receive)
                if answer is not None:
                    await deliver(connection, send, answer)
                return
            await injection.fault.perform(Exchange(seen, connection, receive, send, lambda: self.answer(seen, receive)))
        except asyncio.CancelledError:
            # The server is being stopped; uvicorn would log this as an error of the application.
            return

    async def answer(self, seen: SeenRequest, receive: Receive) -> Answer | None:
        """Return the right answer to a request, ``None`` when the client went away before it was complete."""
        body = b""
        # A GET has no body that would matter.
        if seen.method != "GET":
            read = await read_body(receive)
            if read is None:
                return None
            body = read
        try:
            return await self._answer(seen, body)
        except Refusal as refusal:
            return error(refusal.status, refusal.message, plain=refusal.plain)

    async def _answer(self, seen: SeenRequest, body: bytes) -> Answer:
        kind, name, version = self._targets.get(seen.path) or self._locate(seen.path)
        if kind == "infer":
            self._expect(seen, "POST")
            model = self._model(name, version, plain=True)
            header_length = None
            for header, value in seen.raw_headers:
                if header == b"inference-header-content-length":
                    header_length = value
            plain = unpacked(body, seen.raw_headers)
            if isinstance(plain, Answer):
                return plain
            answer = await infer(model, version or model.latest, plain, header_length, self.latency)
            return packed(answer, seen.raw_headers)
        if kind == "nowhere":
            raise Refusal("Not Found", 404, plain=True)
        self._expect(seen, "GET")
        if kind == "live":
            return empty(200 if self.live else 400)
        if kind == "ready":
            return empty(200 if self.live and self.ready else 400)
        if kind == "metadata":
            return json_answer(_SERVER_METADATA)
        if kind == "model-ready":
            known = self.models.get(name)
            if known is None or not known.ready or (version and version not in known.versions):
                raise Refusal("Model version not ready", plain=True)
            return empty(200)
        return json_answer(self._model(name, version).metadata())

    @staticmethod
    def _expect(seen: SeenRequest, method: str) -> None:
        if seen.method != method:
            raise Refusal("Method Not Allowed", 405, plain=True)

    def _model(self, name: str, version: str, *, plain: bool = False) -> Model:
        model = self.models.get(name)
        if model is None:
            raise Refusal(f"Request for unknown model: '{name}' is not found", 404, plain=plain)
        if version and version not in model.versions:
            raise Refusal(f"Request for unknown model: '{name}' version {version} is not found", 404, plain=plain)
        if not model.ready:
            which = version or model.latest
            raise Refusal(
                f"Request for unknown model: '{name}' version {which} is not at ready state", 503, plain=plain
            )
        return model

    def _locate(self, path: str) -> _Target:
        target = _target(path.removeprefix(self._base_path)) if path.startswith(self._base_path) else _NOWHERE
        if len(self._targets) < _MAX_KNOWN_PATHS:
            self._targets[path] = target
        return target


def _target(path: str) -> _Target:
    parts = path.split("/")
    if parts[:2] != ["", "v2"]:
        return _NOWHERE
    rest = parts[2:]
    if not rest:
        return _Target("metadata")
    if rest[0] == "health" and rest[1:] in (["live"], ["ready"]):
        return _Target(rest[1])
    if rest[0] != "models" or len(rest) < 2 or not rest[1]:
        return _NOWHERE
    # As they are: Triton does not decode percent signs either.
    name, rest = rest[1], rest[2:]
    version = ""
    if rest[:1] == ["versions"] and len(rest) > 1:
        version, rest = rest[1], rest[2:]
        if not (version.isascii() and version.isdigit()):
            return _NOWHERE
    if not rest:
        return _Target("model", name, version)
    if rest == ["infer"]:
        return _Target("infer", name, version)
    if rest == ["ready"]:
        return _Target("model-ready", name, version)
    return _NOWHERE
