"""Log lines in the pages are written as the package writes them, and their sums are right."""

from __future__ import annotations

import re

import pytest
from support.pages import page

from triton_otel import PoolStats

LINE = re.compile(r"Connection Pool Stats - .*?Total: \d+")


@pytest.mark.parametrize("name", ["README.md", "CONNECTION_POOL_README.md"])
def test_a_stats_line_is_a_possible_one(name: str) -> None:
    lines = LINE.findall(page(name))
    assert lines
    for line in lines:
        idle, active, queued, total = map(int, re.findall(r"\d+", line))
        assert line == str(PoolStats(idle=idle, active=active, queued=queued, total=total))
        assert idle + active == total
