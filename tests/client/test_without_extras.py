"""Installed without extras, the package has all that a client over HTTP/1.1 needs."""

from __future__ import annotations

import subprocess
import sys

# But for those that the embedded server needs.
EXTRAS = ("h2", "hpack", "hyperframe", "socksio", "trio", "rich", "ml_dtypes")
PROGRAM = f"""
import sys
for name in {EXTRAS!r}:
    sys.modules[name] = None
import asyncio
import numpy as np
from triton_otel import AsyncTritonClient, TritonClient
from triton_otel.testing import EmbeddedTriton

array = np.ones((1, 4), np.float32)

async def ask(url):
    async with AsyncTritonClient(url) as client:
        return await client.infer("identity", {{"INPUT0": array}})

with EmbeddedTriton() as server:
    with TritonClient(server.url) as client:
        assert (client.infer("identity", {{"INPUT0": array}})["OUTPUT0"] == array).all()
    assert (asyncio.run(ask(server.url))["OUTPUT0"] == array).all()
"""


def test_clients_without_the_packages_of_the_extras() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=55, check=False)
    assert (done.returncode, done.stderr) == (0, "")
