"""The real Triton ends by itself in the middle of a test: whoever uses it is told, with the end of its log."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.real_triton import RealTriton, TritonEnded
from support.triton_install import install

if TYPE_CHECKING:
    from collections.abc import Iterator


def of_group(group: int) -> Iterator[int]:
    """The processes of a process group."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            yield int(status.parent.name)


@pytest.mark.triton
def test_its_end_is_told_and_nothing_is_left(triton: RealTriton) -> None:
    assert triton.url
    groups: list[int] = []

    def session() -> None:
        with RealTriton(install(print), models=["add_sub"]) as other:
            assert other._process is not None
            groups.append(other._process.pid)
            (server,) = [
                number for number in of_group(groups[0]) if Path(f"/proc/{number}/comm").read_text() == "tritonserver\n"
            ]
            os.kill(server, signal.SIGKILL)
            other.wait()

    with pytest.raises(TritonEnded, match=r"ended with status .*log:\n(.|\n)*HTTPService"):
        session()
    assert list(of_group(groups[0])) == []
