"""Compressed inferences with the real Triton, and with NVIDIA's client as the judge of the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tritonclient.http

from triton_otel import TritonClient
from triton_otel.testing import EmbeddedTriton

if TYPE_CHECKING:
    from support.real_triton import RealTriton

VALUES = np.arange(5000, dtype=np.float32)
ALGORITHMS = ["gzip", "deflate"]


@pytest.mark.triton
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("binary", [True, False])
def test_the_real_triton_takes_and_gives_it(triton: RealTriton, algorithm: str, binary: bool) -> None:
    with TritonClient(triton.url, compression=algorithm) as client:
        result = client.infer("add_sub", {"INPUT0": VALUES, "INPUT1": VALUES}, binary=binary)
        np.testing.assert_array_equal(result["OUTPUT0"], VALUES + VALUES)
        np.testing.assert_array_equal(result["OUTPUT1"], VALUES - VALUES)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nvidias_client_and_the_embedded_server_understand_each_other(algorithm: str) -> None:
    with EmbeddedTriton() as server, tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        tensor = tritonclient.http.InferInput("INPUT0", [5000], "FP32")
        tensor.set_data_from_numpy(VALUES)
        result = client.infer(
            "identity",
            [tensor],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), VALUES)
        seen = server.seen[-1]
        assert seen.headers["content-encoding"] == seen.headers["accept-encoding"] == algorithm
