"""Brings the real programs of the stack, once, into the user's cache folder."""

from __future__ import annotations

from collector.parts.bring import INSTALL_COMMAND, Parts, bring
from collector.parts.errors import PartUnavailable

__all__ = ["INSTALL_COMMAND", "PartUnavailable", "Parts", "bring"]
