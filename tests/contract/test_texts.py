"""BYTES: empty, non-ASCII and binary elements, in binary and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from triton_otel import TritonClient

pytestmark = pytest.mark.triton

TEXTS = [
    "",
    "plain",
    "zażółć gęślą jaźń",
    "日本語",
    "🙂",
    'quote " backslash \\ newline \n tab \t',
    "x" * 70_000,
    "a\0b\0",
]


def texts(elements: list[object]) -> np.ndarray:
    array = np.empty((len(elements) // 2, 2), dtype=object)
    array.ravel()[:] = elements
    return array


@pytest.mark.parametrize("binary", [True, False])
def test_text_comes_back_as_its_utf8_bytes(client: TritonClient, binary: bool) -> None:
    sent = texts(TEXTS)
    got = client.infer("identity_bytes", {"INPUT0": sent}, binary=binary)["OUTPUT0"]
    assert got.dtype == object
    assert got.shape == sent.shape
    assert got.ravel().tolist() == [text.encode() for text in TEXTS]


def test_any_bytes_in_binary(client: TritonClient) -> None:
    elements = [bytes(range(256)), b"\xff\xfe", b"", b"\0", np.random.default_rng(3).bytes(10_000), b"end"]
    got = client.infer("identity_bytes", {"INPUT0": texts(elements)})["OUTPUT0"]
    assert got.ravel().tolist() == elements


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_no_elements(client: TritonClient, shape: tuple[int, int], binary: bool) -> None:
    got = client.infer("identity_bytes", {"INPUT0": np.empty(shape, dtype=object)}, binary=binary)["OUTPUT0"]
    assert (got.dtype, got.shape) == (np.dtype(object), shape)


@pytest.mark.parametrize("binary", [True, False])
def test_numpy_strings_and_python_lists(client: TritonClient, binary: bool) -> None:
    expected = [[b"a", "ęść".encode()]]
    for sent in (np.array([["a", "ęść"]]), [["a", "ęść"]], np.char.encode(np.array([["a", "ęść"]]), "utf-8")):
        got = client.infer("identity_bytes", {"INPUT0": sent}, binary=binary)["OUTPUT0"]
        assert got.tolist() == expected


def test_sentiment_of_a_batch(client: TritonClient) -> None:
    sent = np.array([["what a lovely day"], ["rain and bad news"], ["a table"]], dtype=object)
    result = client.infer("sentiment", {"TEXT": sent})
    assert result["LABEL"].tolist() == [[b"positive"], [b"negative"], [b"neutral"]]
    np.testing.assert_array_equal(result["SCORE"], np.array([[0.5], [-0.5], [0.0]], dtype=np.float32), strict=True)
