"""Fixtures and rules for every room's tests."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.real_parts import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.otlp_receiver import OtlpReceiver
    from support.real_triton import RealTriton
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

# The helpers are imported where they are used: gRPC and protobuf are no business of the other rooms' tests.


# A shell starts what it runs in the background with Ctrl-C ignored, and every child inherits that: the programs that
# tests end with Ctrl-C would run on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave fixtures out of the time limit of the tests that need Triton: the first of them waits for the download."""
    for item in items:
        if item.get_closest_marker("triton") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60, func_only=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Let one worker run everything that shares the real Triton, and one everything that shares a benchmark run."""
    from support.scheduling import scheduler_for

    return scheduler_for(config, log)


@pytest.fixture
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A real OTLP receiver, gRPC and HTTP, for this test alone."""
    from support.otlp_receiver import OtlpReceiver

    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def triton_receiver() -> Iterator[OtlpReceiver]:
    """The OTLP receiver to which Triton exports its spans; it keeps those of the whole session."""
    from support.otlp_receiver import OtlpReceiver

    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def triton(request: pytest.FixtureRequest, triton_receiver: OtlpReceiver) -> Iterator[RealTriton]:
    """The real Triton, with every model of ``support/triton_models``, tracing every inference.

    Where Triton cannot be had the test is skipped, or fails if TRITON_OTEL_REQUIRE_REAL is 1.
    """
    from support.real_triton import INSTALL_COMMAND, RealTriton, TritonUnavailable, install

    capture = request.config.pluginmanager.getplugin("capturemanager")

    def announce(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\ntriton_otel: {text}", file=sys.stderr, flush=True)

    installation, reason = None, ""
    try:
        installation = install(announce)
    except TritonUnavailable as error:
        reason = f"no real Triton: {error}; to bring it: {INSTALL_COMMAND}"
    if installation is None:
        raise missing(reason)
    with RealTriton(installation, trace_url=f"{triton_receiver.http_endpoint}/v1/traces") as server:
        yield server
