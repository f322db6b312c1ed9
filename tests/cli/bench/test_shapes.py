"""Shapes from a model's metadata and from what the user says, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from triton_otel.cli.bench.shapes import FREE, WrongInput, parse_shape, parse_size, tensors
from triton_otel.cli.failure import CliError


def metadata(**inputs: tuple[str, list[int]]) -> dict[str, Any]:
    described = [{"name": name, "datatype": datatype, "shape": shape} for name, (datatype, shape) in inputs.items()]
    return {"name": "m", "inputs": described}


def shapes(model: dict[str, Any], given: dict[str, tuple[int, ...]], payload: int | None = None) -> list[Any]:
    return [tensor.shape for tensor in tensors(model, given, payload)]


def test_a_free_batch_is_one_and_other_free_sizes_are_small() -> None:
    model = metadata(
        IMAGE=("FP32", [-1, 3, -1, -1]), IDS=("INT64", [-1, -1]), FIXED=("FP16", [4, 2]), ONE=("BOOL", [-1])
    )
    assert shapes(model, {}) == [(1, 3, FREE, FREE), (1, FREE), (4, 2), (1,)]


def test_the_users_shape_goes_first() -> None:
    model = metadata(IMAGE=("FP32", [-1, 3, -1, -1]), IDS=("INT64", [-1, -1]))
    assert shapes(model, {"IMAGE": (2, 3, 224, 224)}) == [(2, 3, 224, 224), (1, FREE)]


def test_a_payload_grows_the_last_free_size_of_each_input() -> None:
    model = metadata(A=("FP32", [-1, -1]), B=("FP16", [-1, 8, -1]), C=("INT8", [5]), D=("INT64", [-1, -1]))
    found = tensors(model, {"D": (3, 3)}, 65_536)
    assert [tensor.shape for tensor in found] == [(1, 16_384), (1, 8, 4096), (5,), (3, 3)]


def test_a_payload_smaller_than_one_element_sends_one() -> None:
    assert shapes(metadata(A=("FP64", [-1, 100])), {}, 8) == [(1, 100)]


@pytest.mark.parametrize("given", [(1, 3), (1, 4, 5, 5), (1, 3, 5, 5, 5)])
def test_a_shape_that_does_not_fit_is_named_with_the_models(given: tuple[int, ...]) -> None:
    words = ",".join(map(str, given))
    expected = rf"--shape: IMAGE:{words} does not fit; the model says IMAGE FP32\[-1, 3, -1, -1\], where -1 is free"
    with pytest.raises(WrongInput, match=expected):
        tensors(metadata(IMAGE=("FP32", [-1, 3, -1, -1])), {"IMAGE": given})


def test_an_input_that_the_model_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(WrongInput, match=r"no input 'IMG'; its inputs are IMAGE FP32\[-1\], ID INT64\[1\]"):
        tensors(metadata(IMAGE=("FP32", [-1]), ID=("INT64", [1])), {"IMG": (1,)})


def test_a_payload_without_a_free_size_is_refused() -> None:
    with pytest.raises(WrongInput, match=r"--payload: no size is free to choose; the inputs .* X FP32\[1, 16\]"):
        tensors(metadata(X=("FP32", [1, 16])), {}, 1024)


@pytest.mark.parametrize("bad", [{}, {"inputs": []}, {"inputs": [{"name": "X"}]}, {"inputs": [{"shape": "a"}]}])
def test_metadata_without_sense_are_an_error(bad: dict[str, Any]) -> None:
    with pytest.raises(CliError, match="the metadata of model"):
        tensors(bad, {})


@pytest.mark.parametrize(
    ("text", "name", "shape"),
    [("X:1", "X", (1,)), ("IMAGE:1,3,224,224", "IMAGE", (1, 3, 224, 224)), ("serving:x: 1, 2", "serving:x", (1, 2))],
)
def test_a_shape_is_read(text: str, name: str, shape: tuple[int, ...]) -> None:
    assert parse_shape(text) == (name, shape)


@pytest.mark.parametrize("text", ["X", "X:", ":1", "X:1,", "X:0", "X:-1", "X:a", "X:1.5", "X:²", ""])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="as IMAGE:1,3,224,224"):
        parse_shape(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("64KB", 65_536),
        ("64 kb", 65_536),
        ("1MB", 2**20),
        ("1.5 MiB", 3 * 2**19),
        ("1g", 2**30),
        ("7B", 7),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KB", "0", "-1", "64QB", "1 2", "1e3", "0.5"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="as 64KB"):
        parse_size(text)
