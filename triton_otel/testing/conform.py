"""Checks whether a request fits its model, in Triton 2.51's order and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_otel.kserve.dtypes import DATATYPES
from triton_otel.testing.answer import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from triton_otel.testing.model import Model, TensorSpec

__all__ = ["check"]

_BATCH_NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


def check(
    model: Model, prefix: str, given: Mapping[str, tuple[str, tuple[int, ...]]], wanted: Iterable[str] | None
) -> None:
    """Check names, number, datatypes, batch sizes and shapes.

    Parameters:
        model: The model.
        prefix: How most of the errors begin.
        given: Datatype and shape of every input, by name, in the request's order.
        wanted: Names of the requested outputs, ``None`` for all.

    Raises:
        Refusal: Something does not fit.
    """
    for name in wanted or ():
        if name not in model.output_specs:
            raise Refusal(f"unexpected inference output '{name}' for model '{model.name}'")
    specs = model.input_specs
    if len(given) != len(specs):
        missing = [name for name in specs if name not in given]
        raise Refusal(
            f"{prefix}expected {len(specs)} inputs but got {len(given)} inputs for model '{model.name}'. "
            # Triton's hash table lists few names backwards, and its bracket is lost where nothing is missing.
            f"Got input(s) {_names(list(given)[::-1])}, but missing required input(s) "
            f"{_names(missing) if missing else ']'}. Please provide all required input(s)."
        )
    for name in given:
        if name not in specs:
            raise Refusal(f"unexpected inference input '{name}' for model '{model.name}'")
    if model.max_batch_size:
        _check_batch(model, prefix, given)
    for name, (datatype, shape) in given.items():
        spec = specs[name]
        if spec.datatype is not None and datatype != spec.datatype:
            said = datatype if datatype in DATATYPES else "<invalid>"
            raise Refusal(
                f"{prefix}inference input '{name}' data-type is '{said}', but model '{model.name}' expects "
                f"'{spec.datatype}'"
            )
        _check_shape(model, prefix, spec, shape)


def _check_batch(model: Model, prefix: str, given: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    batch: int | None = None
    for name, (_, shape) in given.items():
        if not shape:
            raise Refusal(f"{prefix}input '{name}' has no shape but model requires batch dimension for '{model.name}'")
        if batch is not None and shape[0] != batch:
            raise Refusal(f"{prefix}input '{name}' batch size does not match other inputs for '{model.name}'")
        batch = shape[0]
    if batch is not None and batch > model.max_batch_size:
        raise Refusal(f"{prefix}inference request batch-size must be <= {model.max_batch_size} for '{model.name}'")


def _check_shape(model: Model, prefix: str, spec: TensorSpec, got: Sequence[int]) -> None:
    if spec.shape is None:
        return
    expected = model.full_shape(spec)
    if len(expected) != len(got) or any(want not in (-1, have) for want, have in zip(expected, got, strict=True)):
        raise Refusal(
            f"{prefix}unexpected shape for input '{spec.name}' for model '{model.name}'. Expected {_dims(expected)}, "
            f"got {_dims(got)}. {_BATCH_NOTE if model.max_batch_size else ''}"
        )


def _names(names: Iterable[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"


def _dims(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
