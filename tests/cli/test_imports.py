"""The package does not load the command's libraries, and the command says what to install when they are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.command import environment

IMPORT = """
import sys
import triton_otel, triton_otel.client.sync, triton_otel.cli
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"click", "rich"}))
"""

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from triton_otel.cli import main
sys.exit(main(["options"]))
"""


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_importing_the_package_loads_neither_click_nor_rich() -> None:
    done = python(IMPORT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("library", ["click", "rich"])
def test_a_missing_library_is_one_line_that_names_the_extra(library: str) -> None:
    done = python(WITHOUT, library)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"triton-otel: {library} is not installed, which the command needs; pip install 'triton-otel[cli]'\n"
    )


def test_another_missing_library_is_not_blamed_on_the_extra() -> None:
    done = python(WITHOUT, "triton_otel.cli.glyphs")
    assert done.returncode == 1
    assert "[cli]" not in done.stderr
    assert "ModuleNotFoundError: import of triton_otel.cli.glyphs halted" in done.stderr


def test_without_uvicorn_the_demo_names_the_extra_of_the_server() -> None:
    # The server's process is the one that misses it, so it is taken away from both.
    done = python(
        "import os, sys, tempfile, pathlib, subprocess\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    pathlib.Path(folder, 'sitecustomize.py').write_text('import sys; sys.modules[\"uvicorn\"] = None')\n"
        "    path = os.pathsep.join([folder, os.environ['PYTHONPATH']])\n"
        "    done = subprocess.run([sys.executable, '-m', 'triton_otel.cli', 'demo'], "
        "env={**os.environ, 'PYTHONPATH': path})\n"
        "sys.exit(done.returncode)\n"
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'triton-otel[testing]'" in done.stderr
