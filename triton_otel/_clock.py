"""The one clock for durations: monotonic seconds, replaceable in tests by patching :data:`now` where it is used."""

from __future__ import annotations

from time import monotonic

__all__ = ["now"]

now = monotonic
