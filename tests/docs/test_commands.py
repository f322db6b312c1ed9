"""Commands in the pages' shell blocks exist."""

from __future__ import annotations

import re
import shlex

from support.pages import PAGES, ROOT, blocks, page, tables


def commands() -> list[list[str]]:
    lines = [line for name in PAGES for block in blocks(name, "sh") for line in block.text.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def test_the_two_commands_are_there() -> None:
    assert ["make", "demo"] in commands()
    assert ["make", "test"] in commands()


def test_a_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {words[1] for words in commands() if words[0] == "make"} <= targets


def arguments(target: str) -> list[str]:
    """What the pages pass to a target of make."""
    return [word for line in commands() if line[:2] == ["make", target] for word in line if word.startswith("ARGS=")]


def test_an_option_of_the_benchmarks_exists() -> None:
    from benchmarks.cli import parser

    known = set(parser()._option_string_actions)
    shown = {option for text in arguments("bench") for option in re.findall(r"(?<![\w-])--[a-z-]+", text)}
    described = described_options("option")
    assert shown
    assert shown <= known
    assert described == known - {"-h", "--help"}


def described_options(heading: str, name: str = "docs/benchmarks.md") -> set[str]:
    """The options in the tables of a page whose first column has a heading."""
    found = tables(page(name))
    return {name for head, rows in found if head[0] == heading for row in rows for name in options(row[0])}


def options(cell: str) -> list[str]:
    return re.findall(r"`(--[a-z-]+)`", cell)


def test_an_option_of_the_demo_exists() -> None:
    from triton_otel.cli.app import demo

    known = {name for parameter in demo.params for name in (*parameter.opts, *parameter.secondary_opts)}
    shown = arguments("demo")
    shown += re.findall(r"triton-otel demo ([^`\n]*)", "\n".join(map(page, PAGES)))
    assert shown
    assert {option for text in shown for option in re.findall(r"(?<![\w-])--[a-z-]+", text)} <= known


def test_an_option_of_the_bench_command_exists() -> None:
    from triton_otel.cli.app import bench

    known = {name for parameter in bench.params for name in parameter.opts}
    shown = " ".join(re.findall(r"triton-otel bench ([^`\n]*)", "\n".join(map(page, PAGES))))
    assert {"--endpoint", "--model"} < set(re.findall(r"(?<![\w-])--[a-z-]+", shown)) <= known
    assert described_options("option of the command") == known


def test_an_option_of_the_advice_exists() -> None:
    from triton_otel.cli.app import command

    known = {name for parameter in command.commands["advise"].params for name in parameter.opts}
    shown = " ".join(re.findall(r"triton-otel advise ([^`\n]*)", "\n".join(map(page, PAGES))))
    assert {"--prometheus", "--log"} < set(re.findall(r"(?<![\w-])--[a-z-]+", shown)) <= known
    assert described_options("option of advise", "docs/advise.md") == known


def test_an_option_of_the_live_view_exists() -> None:
    from triton_otel.cli.app import command

    known = {name for parameter in command.commands["top"].params for name in parameter.opts}
    shown = " ".join(re.findall(r"triton-otel top ([^`\n]*)", page("docs/top.md")))
    assert {"--prometheus", "--scrape", "--log"} == set(re.findall(r"(?<![\w-])--[a-z-]+", shown))
    assert described_options("option of top", "docs/top.md") == known


def test_a_variable_is_set_as_the_shell_does() -> None:
    for words in commands():
        if words[0] == "export":
            assert re.fullmatch(r"OTEL_[A-Z_]+=\S+", words[1])
