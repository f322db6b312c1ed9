"""The bench on a real Triton: every client is answered, and every connection of ours is used again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import bench

if TYPE_CHECKING:
    from support.real_triton import RealTriton


@pytest.mark.triton
@pytest.mark.timeout(180, func_only=True)
@pytest.mark.parametrize("model", ["add_sub", "sentiment"])
def test_every_client_is_answered(triton: RealTriton, model: str, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    arguments = ("--threads", "1,4", "--rounds", "2", "--seconds", "0.05", "--json", str(numbers))
    done = bench("--endpoint", triton.url, "--model", model, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(numbers.read_text(encoding="utf-8"))
    assert re.match(r"triton 2\.\d+\.\d+ at http", data["ran_on"]["server"])
    assert len(data["results"]) == 8
    assert all(len(one["rounds"]) == 2 and not one["failed"] for one in data["results"])
    for one in data["results"]:
        if one["client"] == "triton_otel":
            assert one["rounds"][-1]["pool"]["opened"] <= one["lanes"]


@pytest.mark.triton
def test_an_unknown_model_is_one_line_with_tritons_own_words(triton: RealTriton) -> None:
    done = bench("--endpoint", triton.url, "--model", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "Request for unknown model: 'nope' is not found" in done.stderr
