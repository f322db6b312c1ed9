"""What goes from the face to the shell of a client and back: a request that can be sent, and an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_otel.wire.encoder import encode_head

if TYPE_CHECKING:
    import httpcore

    from triton_otel.kserve.routes import Route
    from triton_otel.wire.message import RequestPlan
    from triton_otel.wire.phases import Attempt

__all__ = ["Answer", "Headers", "Known", "Plan", "Prepared"]

Headers = list[tuple[bytes, bytes]]


class Prepared:
    """A request that can be sent.  ``headers`` is a list of its own: the trace context is added to it.

    With a ``plan``, ``headers`` and ``buffers`` are only those that the plan does not have.
    """

    __slots__ = ("buffers", "expected", "headers", "plan", "request_id", "route")

    def __init__(
        self,
        route: Route,
        headers: Headers,
        buffers: list[bytes | memoryview],
        *,
        request_id: str | None = None,
        expected: list[str] | None = None,
        plan: RequestPlan | None = None,
    ) -> None:
        self.plan = plan
        self.route = route
        self.headers = headers
        self.buffers = buffers
        self.request_id = request_id
        self.expected = expected


class Known:
    """What is the same for every request of a route: the URL, and the head with the client's own headers."""

    __slots__ = ("head", "key", "method", "url")

    def __init__(self, method: bytes, url: httpcore.URL, headers: Headers) -> None:
        self.method = method
        self.url = url
        self.head = encode_head(method, url.target, headers)
        origin = url.origin
        self.key = (origin.scheme, origin.host, origin.port)


class Plan:
    """What an inference shares with every other one of the same model whose inputs are of the same kind."""

    __slots__ = ("expected", "request", "route")

    def __init__(self, route: Route, request: RequestPlan, expected: list[str] | None) -> None:
        self.route = route
        self.request = request
        self.expected = expected


class Answer:
    """An answer of the server, read to its end."""

    __slots__ = ("attempt", "body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes | memoryview, attempt: Attempt) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.attempt = attempt
