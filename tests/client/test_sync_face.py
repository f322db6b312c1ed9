"""The client for threads is made from the one for tasks, and is what is checked in; the two differ in waiting only."""

from __future__ import annotations

import inspect

import pytest
from support.sync_face import SOURCE, TARGET, formatted, generated

from triton_otel import AsyncTritonClient, TritonClient

ONLY_NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def test_the_synchronous_client_is_current() -> None:
    assert formatted(generated(SOURCE.read_text(encoding="utf-8"))) == TARGET.read_text(encoding="utf-8"), (
        "run `make generate`"
    )


def test_a_text_that_the_source_lost_is_noticed() -> None:
    with pytest.raises(ValueError, match="has no"):
        generated("async def nothing() -> None: ...")


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    def face(client: type) -> dict[str, list[str]]:
        return {
            ONLY_NAMES.get(name, name): list(inspect.signature(value).parameters)
            for name, value in vars(client).items()
            if inspect.isfunction(value)
        }

    assert face(AsyncTritonClient) == face(TritonClient)


def test_what_needs_no_waiting_is_no_coroutine() -> None:
    waits = {name for name, value in vars(AsyncTritonClient).items() if inspect.iscoroutinefunction(value)}
    assert {"pool_stats", "from_options", "__init__", "endpoint", "pool_name", "closed"}.isdisjoint(waits)
    assert {
        "infer",
        "server_live",
        "server_ready",
        "model_ready",
        "server_metadata",
        "model_metadata",
        "model_config",
    } <= waits
