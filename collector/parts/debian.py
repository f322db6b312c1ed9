"""Prometheus, from Debian's package: unpacked into the cache, not installed, so that no service of it runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from collector.parts.cache import kept
from collector.parts.command import run
from collector.parts.errors import PartUnavailable

__all__ = ["bring_prometheus"]

PROGRAMS = ("prometheus", "promtool")
DOWNLOAD_LIMIT = 600.0
COMMAND_LIMIT = 120.0


def bring_prometheus(announce: Callable[[str], None]) -> tuple[Path, Path]:
    """Return ``prometheus`` and ``promtool``: of Debian's package where there is one, else those on the PATH."""
    try:
        folder = _from_package(announce) / "usr" / "bin"
        return folder / PROGRAMS[0], folder / PROGRAMS[1]
    except PartUnavailable as error:
        found = [shutil.which(name) for name in PROGRAMS]
        if found[0] is None or found[1] is None:
            raise PartUnavailable(f"{error}; and {' and '.join(PROGRAMS)} are not both on the PATH") from error
        return Path(found[0]), Path(found[1])


def _from_package(announce: Callable[[str], None]) -> Path:
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise PartUnavailable(f"Prometheus comes as a Debian package, and there is no {program} here")

    def build(folder: Path) -> None:
        announce(f"unpacking Debian's package of Prometheus into {folder.parent} (only once)")
        _download(folder)
        (package,) = folder.glob("prometheus_*.deb")
        run("unpacking Prometheus", ["dpkg", "-x", package.name, "."], folder=folder, limit=COMMAND_LIMIT)
        package.unlink()
        shutil.rmtree(folder / "apt")

    return kept(f"prometheus-{_release()}", build)


def _download(folder: Path) -> None:
    """Fetch the package with lists of packages of our own: the machine's may be old, and only root may renew them."""
    state = folder / "apt"
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True)
    apt = [
        "apt-get",
        "--quiet=2",
        f"--option=Dir::State::Lists={state / 'lists'}",
        f"--option=Dir::Cache={state / 'cache'}",
        # Without it root's apt-get runs its downloads as a user who may not write here.
        "--option=APT::Sandbox::User=",
    ]
    run("apt-get update", [*apt, "update"], folder=folder, limit=DOWNLOAD_LIMIT)
    run("apt-get download prometheus", [*apt, "download", "prometheus"], folder=folder, limit=DOWNLOAD_LIMIT)


def _release() -> str:
    """Return the name of this Debian and its processor: a package of another one may not run here."""
    words = {}
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        words[key] = value.strip('"')
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    return "-".join([words.get("ID", "debian"), words.get("VERSION_ID", "testing"), done.stdout.strip()])
