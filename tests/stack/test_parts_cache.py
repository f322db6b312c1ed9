"""The folder of built programs: built once however many ask, whole or not there; a reason where that fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from collector.parts.cache import kept, parts_folder
from collector.parts.debian import bring_prometheus
from collector.parts.errors import PartUnavailable
from collector.parts.golang import bring_collector, bring_jaeger

ROOT = Path(__file__).resolve().parents[2]
BUILDER = textwrap.dedent(
    """
    import os, sys, time
    from collector.parts.cache import kept

    def build(folder):
        with open(sys.argv[1], "a") as builds:
            builds.write("one\\n")
        time.sleep(0.3)
        (folder / "program").write_text("whole")

    print((kept("thing-1", build) / "program").read_text())
    """
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return parts_folder()


def test_processes_that_ask_at_once_build_once(tmp_path: Path, cache: Path) -> None:
    builds = tmp_path / "builds"
    command = [sys.executable, "-c", BUILDER, str(builds)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=30)[0] for process in running] == ["whole\n"] * 3
    assert builds.read_text() == "one\n"


def test_a_build_that_fails_leaves_nothing_and_the_next_one_works(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "program").write_text("half")
        raise PartUnavailable("the compiler fell ill")

    with pytest.raises(PartUnavailable, match="fell ill"):
        kept("thing-1", fail)
    assert [path.name for path in cache.iterdir()] == [".lock-thing-1"]
    assert kept("thing-1", lambda folder: None).is_dir()


def test_what_a_killed_builder_left_is_removed(cache: Path) -> None:
    (cache / ".partial-thing-1-abc").mkdir(parents=True)
    kept("thing-1", lambda folder: None)
    assert sorted(path.name for path in cache.iterdir()) == [".lock-thing-1", "thing-1"]


@pytest.mark.parametrize("bring", [bring_collector, bring_jaeger])
def test_without_go_there_is_a_reason(bring: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("collector.parts.golang.USUAL_GO", tmp_path / "go")
    with pytest.raises(PartUnavailable, match="there is no Go"):
        bring(lambda text: None)  # type: ignore[operator]


def test_without_debian_and_without_prometheus_there_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartUnavailable, match=r"no apt-get here.*not both on the PATH"):
        bring_prometheus(lambda text: None)


def test_without_debian_prometheus_is_taken_from_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = [tmp_path / name for name in ("prometheus", "promtool")]
    for program in programs:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bring_prometheus(lambda text: None) == tuple(programs)
