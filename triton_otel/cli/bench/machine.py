"""What a run ran on."""

from __future__ import annotations

import os
import platform
import ssl
import time
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["describe", "load", "words"]

PACKAGES = (
    "triton-otel",
    "tritonclient",
    "geventhttpclient",
    "gevent",
    "aiohttp",
    "httpcore",
    "h11",
    "httptools",
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
        "packages": {name: version(name) for name in PACKAGES},
    }


def load() -> list[float]:
    """Return the load average of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def words(value: object) -> str:
    """Return a fact as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def version(package: str) -> str:
    """Return the version of a package, or that it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
