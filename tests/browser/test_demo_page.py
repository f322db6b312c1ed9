"""The page of ``triton-otel demo --report`` in a real browser: what is laid out, and what is drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.browser import Browser
from support.command import run
from support.drawn import Drawn, assert_drawn, look

# The browser takes a busy machine its time.
pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "run.html"
    done = run("demo", "--seconds", "4", "--report", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Page: {path}" in " ".join(done.stdout.split())
    return path


@pytest.fixture(scope="module")
def drawn(browser: Browser, page: Path) -> Drawn:
    return look(browser, page)


def test_every_drawing_shows_what_it_is_to_show(drawn: Drawn) -> None:
    assert [figure.kind for figure in drawn.figures] == [
        "timeline",
        *["latencies"] * 2,
        *["request"] * 4,
        *["sizing"] * 2,
    ]
    for figure in drawn.figures:
        assert_drawn(figure)


def test_everything_is_within_its_drawing_and_the_page_in_the_window(drawn: Drawn) -> None:
    assert drawn.width <= 1080
    for figure in drawn.figures:
        assert figure.rect.width > 600
        for name, rect in figure.texts.items():
            assert rect.within(figure.rect), (figure.caption, name)
        for shape in figure.shapes:
            assert shape.rect.within(figure.rect, 3), (figure.caption, shape)


def test_the_percentiles_stand_in_their_order(drawn: Drawn) -> None:
    for figure in drawn.of("latencies"):
        found = {name.split()[0]: name for name in figure.texts if name.startswith("p")}
        assert list(found) == ["p50", "p90", "p99", "p99.9"]
        marks = [shape.rect.x for shape in figure.of("mark")]
        assert marks == sorted(marks)
        assert all(re.fullmatch(r"p[\d.]+ [\d.,]+ (us|ms|s)", name) for name in found.values())


def test_a_slow_and_a_typical_request_of_each_half(drawn: Drawn) -> None:
    captions = [figure.caption for figure in drawn.of("request")]
    for half in ("reuse off", "reuse on"):
        slow, typical = (
            float(re.search(r"([\d.,]+) ms", one)[1].replace(",", ""))  # type: ignore[index]
            for one in captions
            if one.startswith(f"{half}: ")
        )
        assert slow >= typical > 0
    new, used = drawn.of("request")[0], drawn.of("request")[3]
    assert new.of("phase-connect")
    assert not used.of("phase-connect")


def test_the_page_takes_nothing_from_elsewhere_and_has_no_script(drawn: Drawn, page: Path) -> None:
    assert drawn.outside == []
    assert not re.search(r"<script|<link|<img|\bsrc=|@import|url\(|\bon\w+=", page.read_text(encoding="utf-8"))


def test_it_is_dark_where_the_reader_likes_it_dark(browser: Browser, page: Path, drawn: Drawn) -> None:
    dark = browser.picture(page, (1080, 900), dark=True)
    assert sum(dark.at(2, 2)) < 150 < 600 < sum(drawn.figures[0].picture.at(2, 2))


def test_the_advice_says_to_switch_reuse_on(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<strong>connection-reuse-enabled: false &rarr; true</strong>") == 1


def test_settings_and_machine_are_told(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<dt>connection-pool-max-total</dt><dd>4</dd>") == 2
    assert "<dt>connection-reuse-enabled</dt><dd>false</dd>" in text
    assert "<dt>connection-reuse-enabled</dt><dd>true</dd>" in text
    for name in ("processor", "cpus", "python", "packages", "load average", "load average at the end"):
        assert f"<dt>{name}</dt>" in text


def test_an_empty_drawing_is_seen(browser: Browser, page: Path, tmp_path: Path) -> None:
    """The looks above fail on every drawing of a page that draws one kind of shape of each in no colour."""
    text = page.read_text(encoding="utf-8")
    emptied = tmp_path / "emptied.html"
    hidden = ".run-queued, .bin, [class^=phase-], .size-wanted { visibility: hidden }"
    emptied.write_text(text.replace("</style>", f"{hidden}</style>"), encoding="utf-8")
    for figure in look(browser, emptied).figures:
        with pytest.raises(AssertionError):
            assert_drawn(figure)
