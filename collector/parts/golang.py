"""The programs that are built with Go: the collector and Jaeger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from collector.parts.cache import digest, kept
from collector.parts.command import run
from collector.parts.errors import PartUnavailable

__all__ = ["bring_collector", "bring_jaeger"]

HERE = Path(__file__).resolve().parents[1]
MANIFEST = HERE / "builder.yaml"
COLLECTOR_VERSION = "0.145.0"
COLLECTOR_PROGRAM = "triton-otel-collector"
BUILDER = f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR_VERSION}"

JAEGER_MODULE = HERE / "jaeger"
JAEGER_VERSION = "1.65.0"
JAEGER_PACKAGE = "github.com/jaegertracing/jaeger/cmd/all-in-one"

BUILD_LIMIT = 2400.0
USUAL_GO = Path("/usr/local/go/bin/go")


def bring_collector(announce: Callable[[str], None]) -> Path:
    """Return the collector with the components of ``builder.yaml``; build it first where the cache has none."""

    def build(folder: Path) -> None:
        go = _go()
        announce(f"building the OpenTelemetry Collector {COLLECTOR_VERSION} into {folder.parent} (minutes, only once)")
        # The builder writes its sources where the manifest says, below the folder it runs in.
        command = [go, "run", BUILDER, f"--config={MANIFEST}"]
        run("building the collector", command, folder=folder, limit=BUILD_LIMIT, more={"PATH": _path(go)})
        (folder / "build" / COLLECTOR_PROGRAM).rename(folder / COLLECTOR_PROGRAM)
        shutil.rmtree(folder / "build")

    return kept(f"collector-{COLLECTOR_VERSION}-{digest(MANIFEST)}", build) / COLLECTOR_PROGRAM


def bring_jaeger(announce: Callable[[str], None]) -> Path:
    """Return Jaeger's all-in-one program; build it first where the cache has none."""

    def build(folder: Path) -> None:
        go = _go()
        announce(f"building Jaeger {JAEGER_VERSION} into {folder.parent} (minutes, only once)")
        command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(folder / "jaeger"), JAEGER_PACKAGE]
        run("building Jaeger", command, folder=JAEGER_MODULE, limit=BUILD_LIMIT, more={"PATH": _path(go)})

    sources = (JAEGER_MODULE / name for name in ("go.mod", "go.sum"))
    return kept(f"jaeger-{JAEGER_VERSION}-{digest(*sources)}", build) / "jaeger"


def _go() -> str:
    go = shutil.which("go") or (str(USUAL_GO) if USUAL_GO.exists() else None)
    if go is None:
        raise PartUnavailable(f"there is no Go, neither on the PATH nor as {USUAL_GO}")
    return go


def _path(go: str) -> str:
    """Return a PATH on which a program that starts ``go`` finds this one."""
    return os.pathsep.join([str(Path(go).parent), os.environ.get("PATH", os.defpath)])
