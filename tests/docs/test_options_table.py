"""The README's table of the pool's six options says what the option table says."""

from __future__ import annotations

import re

import pytest
from support.pages import page, prose, tables

from triton_otel.options import OPTIONS
from triton_otel.options.table import by_key

SIX = [
    "connection-pool-max-idle",
    "connection-pool-keep-alive",
    "connection-pool-max-total",
    "connection-timeout",
    "connection-reuse-enabled",
    "connection-pool-monitoring-enabled",
]


def rows() -> dict[str, list[str]]:
    (found,) = [rows for head, rows in tables(prose("README.md")) if head[:2] == ["key", "keyword"]]
    return {row[0].strip("`"): row for row in found}


def test_the_table_has_the_six_options() -> None:
    assert list(rows()) == SIX


@pytest.mark.parametrize("key", SIX)
def test_a_row_says_what_the_option_is(key: str) -> None:
    option, row = by_key(key), rows()[key]
    assert option.group == "pool"
    assert row[1:4] == [f"`{option.field}`", option.kind.name, option.default_text]
    assert row[4]


def test_the_configuration_guide_has_every_option_of_the_pool() -> None:
    text = prose("CONNECTION_POOL_README.md")
    (found,) = [rows for head, rows in tables(text) if head[:2] == ["option", "keyword"]]
    described = {row[0].strip("`"): row[1].strip("`") for row in found}
    assert described == {option.key: option.field for option in OPTIONS if option.group == "pool"}


@pytest.mark.parametrize("name", ["README.md", "CONNECTION_POOL_README.md", "SECURITY.md", "CHANGELOG.md"])
def test_a_key_that_is_mentioned_exists(name: str) -> None:
    keys = {option.key for option in OPTIONS}
    mentioned = set(re.findall(r"[`\"]((?:connection|tls|pool|auth|custom)-[a-z-]+)[`\"]", page(name)))
    mentioned |= set(re.findall(r"`(telemetry\.[a-z-]+)`", page(name)))
    assert mentioned <= keys
