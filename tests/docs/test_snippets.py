"""Every Python block of the READMEs and the page on advice is a whole program and prints what the page says it prints.

``triton:8000`` in a block stands for the server and is replaced by the embedded one's address.  A ``text`` block right
after a Python block is its output, with ``…`` for what differs from run to run; a line may come more than once.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import Block, bare_environment, blocks

from triton_otel.testing import EmbeddedTriton

PAGES = ("README.md", "CONNECTION_POOL_README.md", "docs/advise.md")
BLOCKS = [block for page in PAGES for block in blocks(page, "python")]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton() as server:
        yield server


def pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.split("…"))))


def run(block: Block, server: EmbeddedTriton, folder: Path, **environment: str) -> list[str]:
    """Run a block; return the lines it prints."""
    source = block.text.replace("triton:8000", f"{server.host}:{server.port}")
    program = folder / "snippet.py"
    program.write_text(source, encoding="utf-8")
    # The other client's warnings are its own.
    strict = [] if "tritonclient" in source else ["-W", "error"]
    done = subprocess.run(
        [sys.executable, *strict, str(program)],
        cwd=folder,
        env=bare_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=50,
        check=False,
    )
    output = done.stdout.decode("utf-8")
    assert done.returncode == 0, f"{block} failed:\n{output}"
    return output.splitlines()


@pytest.mark.parametrize("block", [block for block in BLOCKS if "configure(" not in block.text], ids=str)
def test_a_snippet_prints_what_the_page_says(block: Block, server: EmbeddedTriton, tmp_path: Path) -> None:
    if "tritonclient" in block.text:
        pytest.importorskip("tritonclient.http", reason="pip install 'tritonclient[http]'", exc_type=ImportError)
    lines = run(block, server, tmp_path)
    check(block, lines)


@pytest.mark.parametrize("block", [block for block in BLOCKS if "configure(" in block.text], ids=str)
def test_a_snippet_with_traces_reaches_the_collector(
    block: Block, server: EmbeddedTriton, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    receiver = request.getfixturevalue("otlp_receiver")
    lines = run(block, server, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    check(block, lines)
    assert "POST /v2/models/{model_name}/infer" in {span.name for span in receiver.spans}
    assert "http.client.request.duration" in {metric.name for metric in receiver.metrics}


def check(block: Block, lines: list[str]) -> None:
    assert block.then is not None, f"{block}: the page does not say what it prints"
    expected = [pattern(line) for line in block.then.splitlines()]
    left = iter(lines)
    for one in expected:
        assert any(one.fullmatch(line) for line in left), f"{block}: no line {one.pattern!r} in its place in {lines}"
    for line in lines:
        assert any(one.fullmatch(line) for one in expected), f"{block}: the page does not have the line {line!r}"


def test_every_page_has_snippets() -> None:
    assert {block.page for block in BLOCKS} == set(PAGES)
    assert any("configure(" in block.text for block in BLOCKS)
    assert any("tritonclient" in block.text for block in BLOCKS)
