"""The page of ``triton-otel bench --report`` in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.browser import Browser
from support.command import bench
from support.drawn import assert_drawn, look

from triton_otel.testing import EmbeddedTriton

pytestmark = pytest.mark.timeout(240)


def test_every_drawing_of_the_pool_shows_what_it_is_to_show(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bench.html"
    with EmbeddedTriton(keep=1) as server:
        case = ("--threads", "2", "--tasks", "3", "--rounds", "1", "--seconds", "0.01")
        done = bench("--endpoint", server.url, "--model", "add_sub", *case, "--report", str(page))
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Page with the pool at work: {page}" in " ".join(done.stdout.split())
        assert server.wait_for(lambda: server.connections_open == 0)
    drawn = look(browser, page)
    kinds = ["timeline"] * 2 + ["latencies"] * 2 + ["request"] * 4 + ["sizing"] * 2
    assert [figure.kind for figure in drawn.figures] == kinds
    assert [figure.caption for figure in drawn.of("timeline")] == ["2 threads", "3 tasks"]
    for figure in drawn.figures[2:]:
        assert_drawn(figure)
    for figure in drawn.of("timeline"):
        # All are at work all the time: nothing is idle, nothing waits.
        (active,) = figure.of("area-active")
        assert figure.filled(active) > 20_000
    # The comparison of the clients is on the page as well.
    assert page.read_text(encoding="utf-8").count("<svg") == 6 + len(kinds)
