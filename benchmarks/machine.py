"""What a run ran on."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "triton-otel",
    "tritonclient",
    "geventhttpclient",
    "gevent",
    "httpcore",
    "h11",
    "numpy",
    "orjson",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-grpc",
)


def describe() -> dict[str, Any]:
    """Return the machine, the software and the load at this moment."""
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cpus": os.cpu_count(),
        "cpus usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load average": load(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "commit": commit(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def load() -> list[float]:
    """Return the load average of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def commit() -> str:
    """Return the commit of the repository, with a plus sign where files differ from it."""
    root = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
