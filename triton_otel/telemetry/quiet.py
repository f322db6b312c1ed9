"""How telemetry speaks of its own failures: quietly, and without failing again."""

from __future__ import annotations

import contextlib
import logging

from triton_otel.telemetry import names

__all__ = ["note"]

_log = logging.getLogger(names.LOGGER_TELEMETRY)


def note(text: str, level: int = logging.DEBUG) -> None:
    """Log a failure of telemetry with its traceback; never raises, whatever the log's handlers do.

    Parameters:
        text: What could not be done.
        level: Of the logging module.
    """
    with contextlib.suppress(Exception):
        _log.log(level, text, exc_info=True)
