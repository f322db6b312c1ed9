"""The attributes of our spans; what holds them tells our spans from those of everybody else."""

from __future__ import annotations

import threading
from collections.abc import ItemsView, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from triton_otel.telemetry.clean import Clean, needs_no_cleaning

__all__ = ["QuickAttributes"]


class _Joined:
    """The plain dictionary of attributes that are held in two parts, made when it is first looked at.

    It is set before the later part is looked for, and that is set before the dictionary is looked for; so with a look
    and an end at the same time at least one of the two adds the later part.
    """

    def __get__(self, held: Any, owner: type | None = None) -> dict[str, Any]:
        fields = held.__dict__
        joined: dict[str, Any] = fields.setdefault("_dict", dict(fields["_start"]))
        if (learned := fields.get("_learned")) is not None:
            joined.update(learned)
        return joined


class _Lock:
    """A lock that is made when it is first wanted; two threads must find one."""

    def __get__(self, held: Any, owner: type | None = None) -> Any:
        return held.__dict__.setdefault("_lock", threading.Lock())


class QuickAttributes(BoundedAttributes):
    """The SDK's attributes; those that need no cleaning, and leave no other out, are taken at once.

    Those of a request that nobody looks at before they are exported stay the two parts that they came in: what is the
    same for all requests of a route, which is shared, and what was learned.  Spans wait for their export by the
    hundred, and memory that is written once and read once is never in a cache.
    """

    _dict = _Joined()
    _lock = _Lock()
    dropped = 0
    max_value_len: int | None = None
    _immutable = False

    @classmethod
    def of(cls, start: Clean, most: int | None) -> QuickAttributes:
        """Return attributes that are no more than ``most``, which ``None`` does not bound."""
        held = object.__new__(cls)
        held._start = start
        held.maxlen = most
        return held

    _start: Clean

    def end(self, learned: dict[str, Any]) -> bool:
        """Add what was learned and let nothing more be added; ``False`` where more has to be done than to keep it."""
        fields: dict[str, Any] = self.__dict__
        if "_dict" in fields or type(learned) is not Clean:
            return False
        start: Clean = fields["_start"]
        most: int | None = fields["maxlen"]
        # A key that is set again moves to the end.
        if (most is not None and len(start) + len(learned) > most) or not start.keys().isdisjoint(learned):
            return False
        fields["_learned"] = learned
        if "_dict" in fields:
            fields["_dict"].update(learned)
        fields["_immutable"] = True
        return True

    def parts(self) -> tuple[Clean, Clean] | None:
        """Return both parts, if nobody has looked at the whole; they are not to be changed."""
        fields = self.__dict__
        if "_dict" in fields or "_learned" not in fields:
            return None
        return fields["_start"], fields["_learned"]

    def _set_items(self, attributes: Mapping[str, Any]) -> None:
        held = self._dict
        if (
            self._immutable
            or self.max_value_len is not None
            or (self.maxlen is not None and len(held) + len(attributes) > self.maxlen)
            or not needs_no_cleaning(attributes)
        ):
            super()._set_items(attributes)
            return
        with self._lock:
            if held:
                # A key that is set again moves to the end.
                for key in held.keys() & attributes.keys():
                    del held[key]
            held.update(attributes)

    def items(self) -> ItemsView[str, Any]:
        """Return the attributes; the SDK's would take the lock and look each of them up."""
        held = self._dict
        return (held if self._immutable else held.copy()).items()
