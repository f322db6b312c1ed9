"""The shapes of a model's inputs: from its metadata, and from what the user says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from triton_otel.cli.bench.target import Tensor
from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line
from triton_otel.kserve.dtypes import NUMERIC

__all__ = ["FREE", "WrongInput", "parse_shape", "parse_size", "tensors"]

FREE = 16
"""The size of a free dimension that is not the first: enough for a short sequence."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(B|bytes|)|([KMG])i?B?)", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

# BF16 is not numpy's; an element of BYTES is a length and the text that make_inputs gives it.
_OTHER_ITEMS = {"BF16": 2, "BYTES": 4 + 17}


class WrongInput(CliError):
    """The user asked for something that the model, or any model, cannot have."""


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of ``NAME:1,3``.

    Raises:
        WrongInput: It is not written so.
    """
    # A name may have a colon in it, a shape may not.
    name, colon, sizes = text.rpartition(":")
    parts = [part.strip() for part in sizes.split(",")]
    if not colon or not name or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise WrongInput(
            f"{one_line(text)!r} is no input and shape; write the name, a colon and sizes of at least 1, "
            "as IMAGE:1,3,224,224"
        )
    return name, tuple(int(part) for part in parts)


def parse_size(text: str) -> int:
    """Return the bytes that ``64 KB``, ``1MB`` or ``4096`` means, K being 1024.

    Raises:
        WrongInput: It is no such size.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _FACTORS[(found[3] or "").upper()]) if found else 0
    if size < 1:
        raise WrongInput(f"{one_line(text)!r} is no size; write bytes, or a number with KB, MB or GB, as 64KB")
    return size


def tensors(
    metadata: Mapping[str, Any], given: Mapping[str, tuple[int, ...]], payload: int | None = None
) -> tuple[Tensor, ...]:
    """Return the inputs of a model with shapes that can be sent.

    Parameters:
        metadata: The model's metadata as the server gives them.
        given: Shapes that the user chose, by name of the input.
        payload: Bytes that each input with a free dimension shall have, about; ``None`` leaves them small: 1 for a
            free first dimension, which is that of the batch, 16 for any other.

    Raises:
        CliError: The metadata are not understood.
        WrongInput: A chosen shape or size does not fit the model; the text says what does.
    """
    model = one_line(metadata.get("name", "?"))
    described = _described(model, metadata)
    names = {tensor.name for tensor in described}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise WrongInput(
            f"--shape: model {model!r} has no input {one_line(unknown[0])!r}; its inputs are {_listed(described)}"
        )
    if payload is not None and not any(-1 in tensor.shape and tensor.name not in given for tensor in described):
        raise WrongInput(
            f"--payload: no size is free to choose; the inputs of model {model!r} are {_listed(described)}"
            + (", some of them fixed by --shape" if given else "")
        )
    return tuple(
        Tensor(tensor.name, tensor.datatype, _chosen(tensor, given.get(tensor.name), payload)) for tensor in described
    )


def _described(model: str, metadata: Mapping[str, Any]) -> list[Tensor]:
    described = metadata.get("inputs")
    if not isinstance(described, list) or not described:
        raise CliError(f"the metadata of model {model!r} name no inputs, so no data can be made for it")
    found = []
    for each in described:
        try:
            # "ANY" is the embedded server's word for a model that takes anything.
            datatype = str(each["datatype"]).replace("ANY", "FP32")
            shape = tuple(max(-1, int(size)) for size in each["shape"])
            found.append(Tensor(str(each["name"]), datatype, shape))
        except (KeyError, TypeError, ValueError) as error:
            raise CliError(f"the metadata of model {model!r} are not understood: {one_line(each)}") from error
    return found


def _listed(described: Iterable[Tensor]) -> str:
    return one_line(", ".join(map(str, described)))


def _chosen(tensor: Tensor, given: tuple[int, ...] | None, payload: int | None) -> tuple[int, ...]:
    if given is not None:
        fits = len(given) == len(tensor.shape) and all(
            size in (-1, chosen) for size, chosen in zip(tensor.shape, given, strict=True)
        )
        if not fits:
            raise WrongInput(
                f"--shape: {tensor.name}:{','.join(map(str, given))} does not fit; the model says "
                f"{one_line(tensor)}, where -1 is free"
            )
        return given
    shape = [size if size >= 0 else 1 if index == 0 else FREE for index, size in enumerate(tensor.shape)]
    free = [index for index, size in enumerate(tensor.shape) if size < 0]
    if payload is not None and free:
        # The last free one: the first is often the batch, whose size has a limit.
        shape[free[-1]] = 1
        rest = math.prod(shape) * _item(tensor.datatype)
        shape[free[-1]] = max(1, payload // max(1, rest))
    return tuple(shape)


def _item(datatype: str) -> int:
    return NUMERIC[datatype].itemsize if datatype in NUMERIC else _OTHER_ITEMS.get(datatype, 1)
