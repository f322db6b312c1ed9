"""The one error of this room."""

from __future__ import annotations

__all__ = ["PartUnavailable"]


class PartUnavailable(Exception):
    """A program cannot be had on this machine; the text says which and why."""
