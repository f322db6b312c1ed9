"""Input data for a model of which only the metadata are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line
from triton_otel.kserve.dtypes import NUMERIC, bfloat16, datatype_of, is_floating
from triton_otel.kserve.request import Input

__all__ = ["describe", "make_inputs"]

_TEXT = b"what a lovely day"

# Whole numbers are often indices into a vocabulary or a table; small ones are in all of them.
_BELOW = 10

_MOST_ELEMENTS = 64 * 1024 * 1024


def make_inputs(metadata: Mapping[str, Any], seed: int = 0) -> dict[str, object]:
    """Return an array for every input of a model.

    Sizes that the model leaves open are 1.  Floats are random from 0 to 1, whole numbers random from 0 to 9, BYTES a
    short text.

    Parameters:
        metadata: The model's metadata as the server gives them.
        seed: The same seed gives the same data.

    Raises:
        CliError: The metadata are not understood, or no data can be made for them.
    """
    model = metadata.get("name", "?")
    described = metadata.get("inputs")
    if not isinstance(described, list) or not described:
        raise CliError(f"the metadata of model {model!r} name no inputs, so no data can be made for it")
    generator = np.random.default_rng(seed)
    inputs: dict[str, object] = {}
    for each in described:
        try:
            name, datatype, shape = str(each["name"]), str(each["datatype"]), [int(size) for size in each["shape"]]
        except (KeyError, TypeError, ValueError) as error:
            raise CliError(f"the metadata of model {model!r} are not understood: {one_line(each)}") from error
        sizes = tuple(1 if size < 0 else size for size in shape)
        if math.prod(sizes) > _MOST_ELEMENTS:
            raise CliError(f"input {name!r} of model {model!r} has too many elements: {math.prod(sizes)}")
        inputs[name] = _data(model, name, datatype, sizes, generator)
    return inputs


def describe(inputs: Mapping[str, object]) -> str:
    """Return names, datatypes and shapes in words, for the report."""
    return ", ".join(f"{name} {_shape(data)}" for name, data in inputs.items())


def _shape(data: object) -> str:
    array, datatype = (data.data, data.datatype) if isinstance(data, Input) else (data, None)
    assert isinstance(array, np.ndarray)
    return f"{datatype or datatype_of(array.dtype)}{list(array.shape)}"


def _data(model: object, name: str, datatype: str, sizes: tuple[int, ...], generator: np.random.Generator) -> object:
    if datatype == "BYTES":
        return np.full(sizes, _TEXT, dtype=np.object_)
    if datatype == "BOOL":
        return generator.integers(0, 2, sizes).astype(np.bool_)
    # The embedded server's word for a model that takes anything.
    if datatype == "ANY":
        datatype = "FP32"
    if datatype == "BF16":
        narrow = bfloat16()
        wide = generator.random(sizes, dtype=np.float32)
        return Input(wide, datatype="BF16") if narrow is None else wide.astype(narrow)
    if datatype not in NUMERIC:
        raise CliError(f"input {name!r} of model {model!r} is {one_line(datatype)}, for which there is no data")
    if is_floating(datatype):
        return generator.random(sizes).astype(NUMERIC[datatype])
    return generator.integers(0, _BELOW, sizes).astype(NUMERIC[datatype])
