"""The demo on a real Triton: reuse ratio near 1, and the exact log lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.command import CREATED, LOG_LINE, run

if TYPE_CHECKING:
    from support.real_triton import RealTriton


def cells(output: str, name: str) -> list[str]:
    found = next(line for line in output.splitlines() if line.startswith(f"│ {name} "))
    return [cell.strip() for cell in found.strip("│").split("│")][1:]


@pytest.mark.triton
@pytest.mark.parametrize("model", ["add_sub", "sentiment"])
def test_reuse_is_near_one_and_data_is_made_from_the_models_metadata(triton: RealTriton, model: str) -> None:
    done = run("demo", "--endpoint", triton.url, "--model", model, "--seconds", "4")
    assert (done.returncode, done.stderr) == (0, "")
    off, on, _ = cells(done.stdout, "reuse ratio")
    assert off == "0 %"
    assert float(on.removesuffix(" %")) > 90
    assert cells(done.stdout, "connections opened")[0] == cells(done.stdout, "requests")[0]
    assert {name for name, *_ in LOG_LINE.findall(done.stdout)} == {"on", "off"}
    assert done.stdout.count(CREATED) == 2
    assert re.search(r"Server: triton 2\.\d+\.\d+ at http", " ".join(done.stdout.split()))


@pytest.mark.triton
def test_an_unknown_model_is_one_line_with_tritons_own_words(triton: RealTriton) -> None:
    done = run("demo", "--endpoint", triton.url, "--model", "nope")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Request for unknown model: 'nope' is not found" in done.stderr
