"""Brings ``promtool``: from the PATH, from the user's cache, or once from Debian's package ``prometheus``.

The package is unpacked, not installed: that needs no root, and no service of it runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from support.triton_install import cache_folder

__all__ = ["INSTALL_COMMAND", "PromtoolUnavailable", "promtool", "run"]

INSTALL_COMMAND = "apt-get install prometheus"
PROGRAM = "promtool"
DOWNLOAD_LIMIT = 600.0
COMMAND_LIMIT = 50.0


class PromtoolUnavailable(Exception):
    """promtool cannot be had on this machine; the text says why."""


def promtool() -> Path:
    """Return the program; download it first where it is not there.

    Raises:
        PromtoolUnavailable: It is not on the PATH, and this is no Debian or the download failed.
    """
    found = shutil.which(PROGRAM)
    if found is not None:
        return Path(found)
    parts = cache_folder() / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    folder = parts / f"prometheus-{_release()}"
    with (parts / f".lock-{folder.name}").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            partial = Path(tempfile.mkdtemp(prefix=f".partial-{folder.name}-", dir=parts))
            try:
                _unpack(partial)
                partial.chmod(0o755)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder / "usr" / "bin" / PROGRAM


def run(program: Path, action: str, files: Iterable[Path]) -> tuple[int, str]:
    """Run ``promtool ACTION rules FILES`` and return its status and all that it printed."""
    command = [str(program), action, "rules", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=COMMAND_LIMIT)
    return done.returncode, done.stdout + done.stderr


def _unpack(folder: Path) -> None:
    # Lists of our own: the machine's may be old, and only root may renew them.
    state = folder / "apt"
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True)
    options = [f"--option=Dir::State::Lists={state / 'lists'}", f"--option=Dir::Cache={state / 'cache'}"]
    # Without it root's apt-get downloads as a user who may not write here.
    apt = ["apt-get", "--quiet=2", *options, "--option=APT::Sandbox::User="]
    _called([*apt, "update"], folder)
    _called([*apt, "download", "prometheus"], folder)
    (package,) = folder.glob("prometheus_*.deb")
    _called(["dpkg", "-x", package.name, "."], folder)
    package.unlink()
    shutil.rmtree(state)


def _release() -> str:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise PromtoolUnavailable(f"{PROGRAM} is not on the PATH, and this is no Debian to get it from")
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    words = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return f"{words['ID']}-{words.get('VERSION_ID', 'testing')}-{_called(['dpkg', '--print-architecture'], Path())}"


def _called(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PromtoolUnavailable(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        tail = " / ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise PromtoolUnavailable(f"{command[0]} failed with status {done.returncode}: {tail}")
    return done.stdout.strip()
