"""httpcore's own tests, from its source archive, pass with our pools and connections in the place of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
from support.real_parts import missing
from support.triton_install import cache_folder

MODULES = [
    *(f"tests/_{way}/test_{name}.py" for way in ("sync", "async") for name in (
        "connection_pool", "connection", "http11", "http2", "http_proxy", "socks_proxy",
    )),
    "tests/test_cancellations.py",
]  # fmt: skip
"""All but those of its models, and those that need the server of another package."""

OTHERWISE = {
    "test_http11_header_sub_100kb": "the head of an answer may have 64 KB here, not 100",
    "test_http2_remote_max_streams_update": "looks at an attribute of httpcore's own that is not public",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tests of the httpcore that is installed, from the cache or downloaded."""
    name = f"httpcore-{version('httpcore')}"
    archive = cache_folder() / f"{name}.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", "httpcore", "--dest", str(tmp_path / "new"), name.replace("-", "==")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise missing(f"no source archive of httpcore: {done.stderr.strip()[-500:]}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        # First beside its place, which may be on another file system; several at a time do the same.
        beside = archive.with_suffix(f".{os.getpid()}")
        beside.write_bytes((tmp_path / "new" / archive.name).read_bytes())
        beside.replace(archive)
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if member.isfile() and member.name.startswith(f"{name}/tests/"):
                where = tmp_path / member.name
                where.parent.mkdir(parents=True, exist_ok=True)
                content = packed.extractfile(member)
                assert content is not None
                where.write_bytes(content.read())
    return tmp_path / name


@pytest.mark.timeout(400)
def test_they_pass_with_ours(folder: Path) -> None:
    support = Path(__file__).parents[1] / "support"
    paths = [str(support), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "as_httpcore", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-c", os.devnull, "--rootdir", str(folder), "-k", " and ".join(f"not {name}" for name in OTHERWISE)]
    done = subprocess.run(
        command + MODULES,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert int(passed[1]) > 150, said
