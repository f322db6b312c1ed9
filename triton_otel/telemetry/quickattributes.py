"""The attributes of our spans; what holds them tells our spans from those of everybody else."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from triton_otel.telemetry.clean import needs_no_cleaning

__all__ = ["QuickAttributes"]


class QuickAttributes(BoundedAttributes):
    """The SDK's attributes; those that need no cleaning, and leave no other out, are taken at once."""

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
