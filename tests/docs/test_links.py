"""Relative links lead to files that exist, and to headings that exist in them."""

from __future__ import annotations

import re

import pytest
from support.pages import PAGES, ROOT, page, prose

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get, in GitHub's way."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(name: str) -> list[str]:
    return [link for link in LINK.findall(prose(name)) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("name", PAGES)
def test_a_link_leads_somewhere(name: str) -> None:
    for link in links(name):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {link}"
        assert target.resolve().is_relative_to(ROOT), f"{name} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{name} links to {link}"


def test_the_index_names_every_page() -> None:
    folder = ROOT / "docs"
    linked = {(folder / link).resolve() for link in links("docs/index.md")}
    assert {(ROOT / name).resolve() for name in PAGES} - linked == {folder / "index.md"}
    assert set(folder.glob("*.md")) - linked == {folder / "index.md"}


def test_a_readme_names_no_place_of_one_machine() -> None:
    for name in PAGES:
        assert not re.search(r"(?<![\w.])/(?:root|home|tmp|work|Users)/", page(name)), name
