"""``triton-otel options`` prints every option; the command itself tells how it is used."""

from __future__ import annotations

from pathlib import Path

from support.command import ROOT, run

from triton_otel import __version__
from triton_otel.options import OPTIONS


def test_every_key_is_printed_with_its_default() -> None:
    done = run("options")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for option in OPTIONS:
        assert f"│ {option.key} " in done.stdout
    assert "Options, basic" in done.stdout
    assert "Options, advanced" in done.stdout


def test_as_markdown_it_is_the_documentation_page() -> None:
    done = run("options", "--markdown")
    assert done.returncode == 0
    assert done.stdout == Path(ROOT, "docs", "options.md").read_text(encoding="utf-8")


def test_help_and_version() -> None:
    assert run("--version").stdout == f"triton-otel, version {__version__}\n"
    done = run("--help")
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "options" in done.stdout
    assert "--max-total" in run("demo", "--help").stdout
