"""The request of an export of spans, written directly."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, StatusCode

from triton_otel.telemetry.encoding.fields import KeyValues, UnknownValueError, field, varint
from triton_otel.telemetry.quickattributes import QuickAttributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["SpanEncoder"]

_KINDS = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}
_MAX_NAMES = 1024
_MAX_SCOPES = 64

# Flags of a span (field 16, four bytes): that it is known whether the parent is remote, and that it is.
_LOCAL = b"\x85\x01" + struct.pack("<I", 0x100)
_REMOTE = b"\x85\x01" + struct.pack("<I", 0x300)
_UNSET = b"\x7a\x00"


class _Scope:
    """What stands before and after the spans of one resource and one scope."""

    __slots__ = ("about_resource", "about_scope", "resource", "schema_of_resource", "schema_of_scope", "scope")

    def __init__(self, resource: Any, scope: Any, encoded: Any) -> None:
        # Held, so that nothing else can get their ids.
        self.resource = resource
        self.scope = scope
        self.about_resource = field(b"\x0a", encoded.resource.SerializeToString())
        self.schema_of_resource = _schema(encoded.schema_url)
        (of_scope,) = encoded.scope_spans
        self.about_scope = field(b"\x0a", of_scope.scope.SerializeToString())
        self.schema_of_scope = _schema(of_scope.schema_url)


class SpanEncoder:
    """Writes spans as the bytes of an ``ExportTraceServiceRequest``; may be used by any number of threads.

    A span with anything that is not written here (events, links, attributes that are sequences or maps) goes through
    the stock encoder, alone, so every request holds what the stock encoder's would.

    Parameters:
        stock: The stock encoder: spans to message.
    """

    def __init__(self, stock: Callable[[Sequence[ReadableSpan]], Any]) -> None:
        self._stock = stock
        self._attributes = KeyValues(b"\x4a")
        self._names: dict[str, tuple[SpanKind, bytes]] = {}
        self._scopes: dict[tuple[int, int], _Scope] = {}
        self._pack_times = struct.Struct("<BQBQ").pack

    def __call__(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Return the bytes of the request.

        Raises:
            Exception: What the stock encoder raises for a span that it cannot encode either.
        """
        # As the stock encoder groups them: by resource, then by scope, by equality and in order of appearance.
        tree: dict[Any, dict[Any, tuple[_Scope, list[bytes]]]] = {}
        known: dict[tuple[int, int], list[bytes]] = {}
        for span in spans:
            resource, scope = span.resource, span.instrumentation_scope
            parts = known.get((id(resource), id(scope)))
            if parts is None:
                place = self._scope(span, resource, scope)
                # To hash a resource takes as long as to write a span, so it is done once for each object.
                _, parts = tree.setdefault(resource, {}).setdefault(scope or None, (place, []))
                known[id(resource), id(scope)] = parts
            try:
                encoded = self.span(span)
            except Exception:  # noqa: BLE001 - whatever the reason, the stock encoder has the last word
                encoded = self._by_the_stock(span)
            parts += (b"\x12", varint(len(encoded)), encoded)
        return b"".join(_resource(scopes) for scopes in tree.values())

    def span(self, span: ReadableSpan) -> bytes:
        """Return the content of one ``Span``, written here.

        Raises:
            UnknownValueError: There is something in it that is left to the stock encoder.
            Exception: It is not as expected, which leaves it to the stock encoder too.
        """
        # The public views copy both lists, mostly empty, through a lock.
        held = vars(span)
        if held["_events"] or held["_links"]:
            raise UnknownValueError
        context, parent = span.get_span_context(), span.parent
        assert context is not None
        parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
        if context.trace_state:
            state = ",".join([f"{key}={value}" for key, value in context.trace_state.items()])
            parts.append(field(b"\x1a", state.encode()))
        flags = _LOCAL
        if parent:
            parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
            if parent.is_remote:
                flags = _REMOTE
        kind, name = self._names.get(span.name) or self._name(span)
        if kind is not span.kind:
            _, name = self._name(span)
        parts += (name, self._pack_times(0x39, span.start_time or 0, 0x41, span.end_time or 0))
        held_attributes = held["_attributes"]
        two = held_attributes.parts() if type(held_attributes) is QuickAttributes else None
        if two is None:
            # A copy of the read-only view is one call; to go through the view costs as much again as all the rest.
            self._attributes.append(parts, span.attributes.copy())  # type: ignore[union-attr]
        else:
            self._attributes.append_again(parts, two[0])
            self._attributes.append(parts, two[1])
        for tag, dropped in (
            (b"\x50", span.dropped_attributes),
            (b"\x60", span.dropped_events),
            (b"\x70", span.dropped_links),
        ):
            if dropped:
                parts.append(tag + varint(dropped))
        status = span.status
        if status.status_code is StatusCode.UNSET and not status.description:
            parts.append(_UNSET)
        else:
            parts.append(_status(status.status_code, status.description))
        parts.append(flags)
        return b"".join(parts)

    def _name(self, span: ReadableSpan) -> tuple[SpanKind, bytes]:
        written = (span.kind, field(b"\x2a", span.name.encode()) + b"\x30" + varint(_KINDS[span.kind]))
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
        self._names[span.name] = written
        return written

    def _scope(self, span: ReadableSpan, resource: Any, scope: Any) -> _Scope:
        place = self._scopes.get((id(resource), id(scope)))
        if place is None:
            (encoded,) = self._stock([span]).resource_spans
            place = _Scope(resource, scope, encoded)
            if len(self._scopes) >= _MAX_SCOPES:
                self._scopes.clear()
            self._scopes[id(resource), id(scope)] = place
        return place

    def _by_the_stock(self, span: ReadableSpan) -> bytes:
        (of_resource,) = self._stock([span]).resource_spans
        (of_scope,) = of_resource.scope_spans
        (message,) = of_scope.spans
        encoded: bytes = message.SerializeToString()
        return encoded


def _resource(scopes: dict[Any, tuple[_Scope, list[bytes]]]) -> bytes:
    """Return a ``ResourceSpans`` as a field of the request."""
    first = next(iter(scopes.values()))[0]
    parts = [first.about_resource]
    for place, spans in scopes.values():
        parts.append(field(b"\x12", b"".join((place.about_scope, *spans, place.schema_of_scope))))
    parts.append(first.schema_of_resource)
    return field(b"\x0a", b"".join(parts))


def _schema(url: str) -> bytes:
    return field(b"\x1a", url.encode()) if url else b""


def _status(code: StatusCode, description: str | None) -> bytes:
    content = field(b"\x12", description.encode()) if description else b""
    if code.value:
        content += b"\x18" + varint(code.value)
    return field(b"\x7a", content)
