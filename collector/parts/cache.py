"""The folder of built programs: each is in it whole or not at all, and is made by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["digest", "kept", "parts_folder"]


def parts_folder() -> Path:
    """Return the folder of the stack's programs in the user's cache; ``XDG_CACHE_HOME`` moves it."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "triton_otel" / "parts"


def digest(*files: Path) -> str:
    """Return a short hash of the files' content, for the name of what is built from them."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:8]


def kept(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; make it first where it is not there.

    Other processes that ask for the same name meanwhile wait and then find it.

    Parameters:
        name: The folder's name, with the versions of what is in it.
        build: Fills the empty folder that it is given. What it raises is passed on, and nothing is kept.
    """
    parts = parts_folder()
    parts.mkdir(parents=True, exist_ok=True)
    folder = parts / name
    with _locked(parts / f".lock-{name}"):
        if not folder.is_dir():
            _build(folder, build)
    return folder


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    prefix = f".partial-{folder.name}-"
    # A builder that was killed leaves its folder; whoever holds the lock is the only builder of this name.
    for leftover in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        build(partial)
        partial.chmod(0o755)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
