"""The line that says a client core was made."""

from __future__ import annotations

import logging

import pytest

from triton_otel.options.config import ConnectionPoolConfig
from triton_otel.telemetry.fallback import log_created


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            ConnectionPoolConfig(max_idle=30, keep_alive="5 min", max_total=150),
            "Triton HTTP client created - Pool: maxIdle=30, keepAlive=300000ms, maxTotal=150, connTimeout=10000ms",
        ),
        (
            ConnectionPoolConfig(max_idle=0, keep_alive=0.0015, max_total=1, connection_timeout="0.25 s"),
            "Triton HTTP client created - Pool: maxIdle=0, keepAlive=2ms, maxTotal=1, connTimeout=250ms",
        ),
        (
            ConnectionPoolConfig(keep_alive=0.0005),
            "Triton HTTP client created - Pool: maxIdle=20, keepAlive=0.5ms, maxTotal=100, connTimeout=10000ms",
        ),
    ],
)
def test_the_exact_line(caplog, config, line):
    with caplog.at_level(logging.INFO, "triton_otel.client"):
        log_created(config.resolve(30.0))
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("triton_otel.client", logging.INFO, line)


def test_a_handler_that_raises_hurts_nobody():
    asked = []

    class Broken(logging.Handler):
        def emit(self, record):
            asked.append(record)
            raise OSError("disk full")

    logger = logging.getLogger("triton_otel")
    handler = Broken()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        log_created(ConnectionPoolConfig().resolve(30.0))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    # The line itself and the note about its failure.
    assert len(asked) == 2
