"""The demo without a terminal: log lines, the table, the waterfall and what it was measured on."""

from __future__ import annotations

import re
import subprocess

import pytest
from support.command import CREATED, LOG_LINE, run


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    """One run of the demo, in pipes, for all tests of this file."""
    return run("demo", "--seconds", "4")


def cells(output: str, name: str) -> list[str]:
    found = [line for line in output.splitlines() if line.startswith(f"│ {name} ")]
    assert len(found) == 1, output
    return [cell.strip() for cell in found[0].strip("│").split("│")][1:]


def number(cell: str) -> float:
    match = re.match(r"[\d,.]+", cell)
    assert match is not None, cell
    return float(match[0].replace(",", ""))


def test_it_ends_well_and_says_nothing_on_standard_error(demo: subprocess.CompletedProcess[str]) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")


def test_the_log_lines_are_exact_and_the_numbers_fit_together(demo: subprocess.CompletedProcess[str]) -> None:
    lines = LOG_LINE.findall(demo.stdout)
    assert {name for name, *_ in lines} == {"on", "off"}
    for _, *numbers in lines:
        idle, active, queued, total = map(int, numbers)
        assert idle + active == total <= 4
        assert queued <= 2
    assert demo.stdout.count(CREATED) == 2


def test_before_the_report_there_is_nothing_but_log(demo: subprocess.CompletedProcess[str]) -> None:
    before = demo.stdout.partition("Connection reuse off against on")[0]
    for line in before.strip().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO triton_otel\.(client|cli|pool\.demo-reuse-o)", line)
    assert "\x1b" not in demo.stdout


def test_the_table_counts_connections_and_reuse_right(demo: subprocess.CompletedProcess[str]) -> None:
    off_requests, on_requests, _ = map(str, cells(demo.stdout, "requests"))
    off_opened, on_opened, _ = cells(demo.stdout, "connections opened")
    off_reuse, on_reuse, _ = cells(demo.stdout, "reuse ratio")
    assert number(off_requests) > 20
    assert number(on_requests) > 20
    # Reuse off opens one for every request; on, one for every slot of the pool at most.
    assert number(off_opened) == number(off_requests)
    assert 1 <= number(on_opened) <= 4
    assert off_reuse == "0 %"
    assert number(on_reuse) > 80


def test_the_table_has_latency_and_throughput_with_their_ratio(demo: subprocess.CompletedProcess[str]) -> None:
    for name in ("latency p50", "latency p99"):
        off, on, ratio = cells(demo.stdout, name)
        assert off.endswith(" ms")
        assert on.endswith(" ms")
        assert re.fullmatch(r"[\d.,]+ x", ratio)
        assert number(off) > 0
    assert all(cell.endswith(" req/s") for cell in cells(demo.stdout, "throughput")[:2])
    assert not any(line.startswith("│ errors") for line in demo.stdout.splitlines())


def test_one_request_of_each_kind_is_drawn_as_its_phases(demo: subprocess.CompletedProcess[str]) -> None:
    new, _, reused = demo.stdout.partition("One request on a new connection: ")[2].partition(
        "One request on a reused connection: "
    )
    assert re.search(r"^connect +[\d.]+ ms +█*[█▏▎▍▌▋▊▉]", new, re.MULTILINE)
    assert re.search(r"^connect +none ", reused, re.MULTILINE)
    for name in ("send", "wait", "receive", "client"):
        for drawing in (new, reused):
            assert re.search(rf"^{name} +[\d.]+ ms +█*[█▏▎▍▌▋▊▉]", drawing, re.MULTILINE), demo.stdout
    assert "its request 1)" in new
    assert "its request 1)" not in reused


def test_it_says_what_the_figures_are_of(demo: subprocess.CompletedProcess[str]) -> None:
    words = " ".join(demo.stdout.split())
    assert "Figures of this machine (" in words
    assert "the embedded one of triton_otel, not a Triton, in a process of its own on the same machine" in words
    assert "6 threads on at most 4 connections, at work in waves" in words
    assert "Model add_sub with INPUT0 FP32[1], INPUT1 FP32[1]." in words


def test_the_report_fits_80_columns_and_an_encoding_without_unicode() -> None:
    output = run(
        "demo", "--seconds", "2", "--threads", "1", "--steady",
        COLUMNS="80", PYTHONUTF8="0", PYTHONIOENCODING="ascii",
    ).stdout  # fmt: skip
    report = output.partition("Connection reuse off against on")[2]
    assert "1 thread on at most 1 connection." in " ".join(report.split())
    assert report.isascii()
    assert "| latency p50" in report
    assert max(map(len, report.splitlines())) <= 80
