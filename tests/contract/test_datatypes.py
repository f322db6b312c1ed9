"""Every datatype comes back from a real Triton bit by bit, in binary and, where Triton can, in JSON."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from support.triton_models.repository import DATATYPES

from triton_otel import ConfigError, Input, Output, ServerError, TritonClient
from triton_otel.kserve.dtypes import numpy_dtype

pytestmark = pytest.mark.triton

NUMERIC = [datatype for datatype in DATATYPES if datatype != "BYTES"]
NOT_IN_JSON = ["FP16", "BF16"]
IN_JSON = [datatype for datatype in NUMERIC if datatype not in NOT_IN_JSON]


def model(datatype: str) -> str:
    return f"identity_{datatype.lower()}"


def random_array(datatype: str, shape: tuple[int, int]) -> np.ndarray:
    """Any bit pattern that the datatype has, so also NaNs with a payload, infinities and the smallest numbers."""
    rng = np.random.default_rng(list(datatype.encode()))
    if datatype == "BOOL":
        return rng.integers(0, 2, shape).astype(np.bool_)
    dtype = numpy_dtype(datatype)
    return np.frombuffer(rng.bytes(shape[0] * shape[1] * dtype.itemsize), dtype=dtype).reshape(shape)


def extremes(datatype: str) -> np.ndarray:
    dtype = numpy_dtype(datatype)
    if datatype == "BOOL":
        return np.array([[True, False]])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.array([[limits.min, limits.max]], dtype=dtype)
    limits = ml_dtypes.finfo(dtype)
    ends = [limits.min, limits.max, limits.smallest_subnormal, -0.0]
    return np.array([[*ends, np.nan, np.inf, -np.inf]], dtype=dtype)


def assert_same_bits(got: np.ndarray, sent: np.ndarray) -> None:
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    assert got.tobytes() == sent.tobytes()


@pytest.mark.parametrize("datatype", NUMERIC)
def test_random_bits_in_binary(client: TritonClient, datatype: str) -> None:
    sent = random_array(datatype, (37, 11))
    result = client.infer(model(datatype), {"INPUT0": sent})
    assert_same_bits(result["OUTPUT0"], sent)
    assert (result.model_name, result.model_version) == (model(datatype), "1")


@pytest.mark.parametrize("datatype", NUMERIC)
def test_extremes_in_binary(client: TritonClient, datatype: str) -> None:
    sent = extremes(datatype)
    assert_same_bits(client.infer(model(datatype), {"INPUT0": sent})["OUTPUT0"], sent)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("datatype", NUMERIC)
def test_no_elements_in_binary(client: TritonClient, datatype: str, shape: tuple[int, int]) -> None:
    sent = np.empty(shape, dtype=numpy_dtype(datatype))
    assert_same_bits(client.infer(model(datatype), {"INPUT0": sent})["OUTPUT0"], sent)


@pytest.mark.parametrize("datatype", IN_JSON)
def test_random_values_in_json(client: TritonClient, datatype: str) -> None:
    sent = random_array(datatype, (7, 5))
    got = client.infer(model(datatype), {"INPUT0": sent}, binary=False)["OUTPUT0"]
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    # JSON has one NaN only, so its payload is lost, and Triton reads some FP64 numbers one bit off.
    np.testing.assert_allclose(got, sent, rtol=np.finfo(np.float64).eps if datatype == "FP64" else 0)


@pytest.mark.parametrize("datatype", IN_JSON)
def test_extremes_in_json(client: TritonClient, datatype: str) -> None:
    sent = extremes(datatype)
    got = client.infer(model(datatype), {"INPUT0": sent}, binary=False)["OUTPUT0"]
    np.testing.assert_array_equal(got, sent, strict=True)


@pytest.mark.parametrize("datatype", IN_JSON)
def test_no_elements_in_json(client: TritonClient, datatype: str) -> None:
    sent = np.empty((0, 4), dtype=numpy_dtype(datatype))
    got = client.infer(model(datatype), {"INPUT0": sent}, binary=False)["OUTPUT0"]
    assert_same_bits(got, sent)


@pytest.mark.parametrize("datatype", NOT_IN_JSON)
def test_sixteen_bit_floats_are_not_sent_in_json(client: TritonClient, datatype: str) -> None:
    with pytest.raises(ConfigError, match=rf"'INPUT0'.*{datatype}.*binary"):
        client.infer(model(datatype), {"INPUT0": extremes(datatype)}, binary=False)
    assert client.pool_stats().opened == 0


@pytest.mark.parametrize("datatype", NOT_IN_JSON)
def test_triton_does_not_answer_sixteen_bit_floats_in_json(client: TritonClient, datatype: str) -> None:
    with pytest.raises(ServerError) as caught:
        client.infer(model(datatype), {"INPUT0": extremes(datatype)}, outputs=[Output("OUTPUT0", binary=False)])
    assert caught.value.status == 400
    assert f"sending {datatype} data via JSON is not supported" in caught.value.message


@pytest.mark.parametrize("datatype", IN_JSON)
@pytest.mark.parametrize(("sent_binary", "asked_binary"), [(True, False), (False, True)])
def test_one_way_binary_and_the_other_json(
    client: TritonClient, datatype: str, sent_binary: bool, asked_binary: bool
) -> None:
    sent = extremes(datatype)
    inputs = {"INPUT0": Input(sent, binary=sent_binary)}
    got = client.infer(model(datatype), inputs, outputs=[Output("OUTPUT0", binary=asked_binary)])["OUTPUT0"]
    np.testing.assert_array_equal(got, sent, strict=True)


def test_float32_sent_as_bf16(client: TritonClient) -> None:
    sent = np.array([[1.0, -2.5, 0.0, np.inf, 3.140625]], dtype=np.float32)
    got = client.infer("identity_bf16", {"INPUT0": Input(sent, datatype="BF16")})["OUTPUT0"]
    np.testing.assert_array_equal(got.astype(np.float32), sent)


def test_strided_and_big_endian_arrays(client: TritonClient) -> None:
    values = np.arange(24, dtype=">f4").reshape(4, 6)
    for sent in (values, values.T, values[:, ::-2], np.asfortranarray(values)):
        got = client.infer("identity_fp32", {"INPUT0": sent})["OUTPUT0"]
        np.testing.assert_array_equal(got, sent)


def test_four_megabytes(client: TritonClient) -> None:
    sent = np.random.default_rng(1).random((1024, 1024), dtype=np.float32)
    assert_same_bits(client.infer("identity_fp32", {"INPUT0": sent})["OUTPUT0"], sent)
