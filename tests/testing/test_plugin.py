"""The pytest plugin, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, cwd=ROOT, **environment):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def run_pytest(folder, text):
    (folder / "test_it.py").write_text(text)
    return run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "triton_otel.testing.plugin", "-W", "error"),
        cwd=folder,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )


def test_importing_the_plugin_does_not_import_uvicorn():
    done = run(
        "-c",
        "import triton_otel.testing.plugin, sys; print([name for name in sys.modules if name.startswith('uvicorn')])",
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_public_name_can_be_imported():
    import triton_otel.testing

    for name in triton_otel.testing.__all__:
        assert getattr(triton_otel.testing, name).__module__.startswith("triton_otel.testing.")
    assert not hasattr(triton_otel.testing, "NoSuchName")


def test_fixture(tmp_path):
    done = run_pytest(
        tmp_path,
        "import urllib.request\n"
        "def test_first(embedded_triton):\n"
        "    assert urllib.request.urlopen(embedded_triton.url + '/v2').status == 200\n"
        "    assert embedded_triton.requests == 1\n"
        "def test_second(embedded_triton):\n"
        "    assert embedded_triton.requests == 0\n",
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_without_uvicorn_the_error_names_the_extra(tmp_path):
    done = run_pytest(
        tmp_path,
        "import sys\nsys.modules['uvicorn'] = None\nsys.modules['uvicorn.config'] = None\n"
        "def test_it(embedded_triton):\n    pass\n",
    )
    assert done.returncode == 1
    assert "pip install 'triton-otel[testing]'" in done.stdout


def test_it_is_registered():
    text = (ROOT / "pyproject.toml").read_text()
    _, _, section = text.partition("[project.entry-points.pytest11]\n")
    assert section.split("\n\n")[0].strip() == 'triton_otel = "triton_otel.testing.plugin"'
