"""Brings Triton Inference Server, once, into the user's cache folder.

Triton is published as a container image.  The one way to have it without containers is the wheel of NVIDIA's pytriton,
which carries the server, its python backend and the libraries they need.  Nothing of the wheel is installed: the server
is unpacked and started by itself, with a virtual environment of its own, because its python backend needs numpy 1.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INSTALL_COMMAND", "Installation", "TritonUnavailable", "install"]

INSTALL_COMMAND = "python tests/support/real_triton.py install"
PYTHON_VARIABLE = "TRITON_OTEL_TRITON_PYTHON"

WHEEL = "nvidia-pytriton==0.7.0"
WHEEL_SHA256 = "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df"
SERVER_FOLDER = "triton-2.51.0"
KEEP_FREED = "glibc.malloc.tcache_count=65535"
"""Setting of the C library that keeps Triton alive while it traces.

Triton 2.51 unlocks the mutex of a trace that it has freed (mended in triton-inference-server/server 8144), and ends
with a signal where another thread has the memory by then: in four runs after 22,964 to 73,885 traced requests.  With
room for what it has freed a thread keeps that to itself.
"""
WANTED_MEMBERS = ("pytriton/tritonserver/", "nvidia_pytriton.libs/", "nvidia_pytriton-0.7.0.dist-info/licenses/")
NUMPY = "numpy>=1.22,<2"
PYTHONS = ("3.12", "3.11", "3.10", "3.9", "3.8")
"""Versions for which there is both a stub of the python backend and a wheel of numpy 1."""

DOWNLOAD_TIMEOUT = 900.0
COMMAND_TIMEOUT = 120.0
PROBE = """
import json, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
libdir = sysconfig.get_config_var("LIBDIR") or ""
multiarch = sysconfig.get_config_var("MULTIARCH") or ""
folders = [libdir, os.path.join(libdir, multiarch), os.path.join(sys.base_prefix, "lib")]
libraries = [os.path.join(folder, "libpython" + version + ".so.1.0") for folder in folders]
print(json.dumps({"version": version, "executable": getattr(sys, "_base_executable", sys.executable),
                  "library": next(filter(os.path.exists, libraries), None)}))
"""


class TritonUnavailable(Exception):
    """Triton cannot be had on this machine; the text says why."""


@dataclass(frozen=True)
class Installation:
    """Where the parts of an unpacked Triton are.

    Parameters:
        server: Folder of the unpacked wheel.
        python: Folder made for one Python: virtual environment, python backend, library folder.
    """

    server: Path
    python: Path

    @property
    def binary(self) -> Path:
        """The program ``tritonserver``."""
        return self.server / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        """The folder for ``--backend-directory``."""
        return self.python / "backends"

    def environment(self) -> dict[str, str]:
        """Return the environment in which the server finds its libraries and its own virtual environment."""
        values = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "OTEL_"))}
        values["VIRTUAL_ENV"] = str(self.python / "venv")
        values["PATH"] = os.pathsep.join([str(self.python / "venv" / "bin"), values.get("PATH", os.defpath)])
        values["no_proxy"] = values["NO_PROXY"] = "127.0.0.1"
        values["LD_LIBRARY_PATH"] = os.pathsep.join([str(self.python / "lib"), str(_libraries(self.server))])
        values["GLIBC_TUNABLES"] = KEEP_FREED
        return values


@dataclass(frozen=True)
class _Python:
    version: str
    executable: str
    library: str


def cache_folder() -> Path:
    """Return this project's folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "triton_otel"


def install(announce: Callable[[str], None]) -> Installation:
    """Return the installation in the cache; make it first where it is not there.

    Only one process at a time works on the cache, and each part appears in it whole or not at all.

    Parameters:
        announce: Called with one line of text before each step that takes time.

    Raises:
        TritonUnavailable: No Linux on x86-64, no suitable Python, or a download failed.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise TritonUnavailable(f"Triton's wheel is for Linux on x86-64, not {sys.platform} on {platform.machine()}")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        server = cache / SERVER_FOLDER
        if not server.is_dir():
            announce(f"downloading Triton Inference Server into {cache} (55 MB, only this once)")
            with _built(server) as folder:
                _unpack(_download(folder), folder)
        python = _choose_python()
        home = cache / f"python-{python.version}-{hashlib.sha256(python.executable.encode()).hexdigest()[:8]}"
        if not (home / "venv" / "bin" / "python").exists() or not _library_link(home, python).exists():
            announce(f"making Triton's own virtual environment (Python {python.version}, {NUMPY})")
            shutil.rmtree(home, ignore_errors=True)
            with _built(home) as folder:
                _make_python_folder(folder, server, python)
    return Installation(server, home)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _built(target: Path) -> Iterator[Path]:
    for leftover in target.parent.glob(".partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(folder: Path) -> Path:
    _pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), WHEEL)
    wheel = next(folder.glob("*.whl"))
    with wheel.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != WHEEL_SHA256:
        raise TritonUnavailable(f"{wheel.name} has the SHA-256 {digest.hexdigest()}, expected {WHEEL_SHA256}")
    return wheel


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(WANTED_MEMBERS)])
    wheel.unlink()
    tritonserver = folder / "pytriton" / "tritonserver"
    for program in (tritonserver / "bin" / "tritonserver", *tritonserver.glob("python_backend_stubs/*/*")):
        program.chmod(0o755)


def _make_python_folder(folder: Path, server: Path, python: _Python) -> None:
    venv = [python.executable, "-m", "venv", "--without-pip", str(folder / "venv")]
    _run(f"{python.executable} -m venv", venv, COMMAND_TIMEOUT)
    packages = folder / "venv" / "lib" / f"python{python.version}" / "site-packages"
    version = ("--python-version", python.version)
    _pip("install", "--no-deps", "--only-binary=:all:", *version, "--target", str(packages), NUMPY)
    tritonserver = server / "pytriton" / "tritonserver"
    backend = folder / "backends" / "python"
    shutil.copytree(tritonserver / "backends" / "python", backend)
    shutil.copy2(tritonserver / "python_backend_stubs" / python.version / "triton_python_backend_stub", backend)
    link = _library_link(folder, python)
    link.parent.mkdir()
    link.symlink_to(python.library)


def _library_link(folder: Path, python: _Python) -> Path:
    return folder / "lib" / Path(python.library).name


def _libraries(server: Path) -> Path:
    return server / "nvidia_pytriton.libs"


def _choose_python() -> _Python:
    chosen = os.environ.get(PYTHON_VARIABLE)
    names = [chosen] if chosen else [sys.executable, *(f"python{version}" for version in PYTHONS), "python3"]
    seen = []
    for name in names:
        executable = shutil.which(name)
        if executable is None:
            continue
        probe = subprocess.run([executable, "-c", PROBE], capture_output=True, text=True, timeout=COMMAND_TIMEOUT)
        if probe.returncode != 0:
            continue
        found = json.loads(probe.stdout)
        if found["version"] in PYTHONS and found["library"]:
            return _Python(found["version"], found["executable"], found["library"])
        seen.append(f"{executable} is {found['version']} {'with' if found['library'] else 'without'} libpython")
    raise TritonUnavailable(
        f"Triton's python backend needs a Python {PYTHONS[-1]} to {PYTHONS[0]} that has a shared libpython; "
        f"set {PYTHON_VARIABLE} to one (looked at: {'; '.join(seen) or 'nothing'})"
    )


def _pip(action: str, *arguments: str) -> None:
    options = ("--quiet", "--no-input", "--disable-pip-version-check")
    _run(f"pip {action} {arguments[-1]}", [sys.executable, "-m", "pip", action, *options, *arguments], DOWNLOAD_TIMEOUT)


def _run(what: str, command: list[str], timeout: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TritonUnavailable(f"{what}: {error}") from error
    if done.returncode != 0:
        tail = " / ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise TritonUnavailable(f"{what} failed with status {done.returncode}: {tail}")
