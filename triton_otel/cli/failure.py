"""The error of the command itself."""

from __future__ import annotations

from triton_otel.errors import TritonError

__all__ = ["CliError"]


class CliError(TritonError):
    """Something that the command cannot go on with; its text is shown as it is, in one line."""
