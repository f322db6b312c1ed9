"""The models that an embedded server serves."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import DATATYPES

__all__ = ["Arrays", "Model", "ModelError", "TensorSpec", "default_models"]

Arrays: TypeAlias = "dict[str, np.ndarray[Any, np.dtype[Any]]]"
Function: TypeAlias = "Callable[[Arrays], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]"


class ModelError(Exception):
    """Raised by a model's function: the answer is an error with this text and nothing else.

    Parameters:
        message: The text.
        status: HTTP status code.  Default 500, as Triton answers for a failed model.
    """

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


class TensorSpec(NamedTuple):
    """Name, datatype and shape of an input or output.

    Attributes:
        name: Name of the tensor.
        datatype: A KServe datatype such as ``"FP32"``; ``None`` takes any, and an output then gets the datatype of the
            array that the function returned.
        shape: Sizes of the dimensions without the batch, ``-1`` for any size; ``None`` takes any number of dimensions.
    """

    name: str
    datatype: str | None = None
    shape: tuple[int, ...] | None = None


@dataclass
class Model:
    """A model: what goes in, what comes out, and the function between.

    Parameters:
        name: Name of the model.
        inputs: The inputs, as :class:`TensorSpec` or tuples of its fields.
        outputs: The outputs, likewise; the function returns an array for each.
        function: Called with a dictionary of numpy arrays (``BYTES`` are object arrays of ``bytes``), returns a mapping
            of arrays.  A plain function runs in the server's thread, so everything else waits for it; a coroutine
            function may await.  An exception becomes an error as Triton's Python backend reports it, status 500; for an
            error of one's own wording raise :class:`ModelError`.
        versions: Versions being served; a request without a version gets the highest.  Default: only ``"1"``.
        latency: Seconds that the server sleeps before it answers, without holding up other requests, or a function that
            computes them from the request's parameters.  Default 0.
        max_batch_size: As in Triton: above 0, every tensor has a first dimension for the batch that ``shape`` does not
            name.  Default 0, no batching.
        parameters: Parameters of every answer.  Triton's own are empty for most models, and so is the default.
        ready: Whether the model can be used; may be changed while the server runs.  Default true.
        platform: What the metadata say.  Default ``"python"``.

    Raises:
        ConfigError: A datatype that is none, a version that is no number, or no version at all.
    """

    name: str
    inputs: Sequence[TensorSpec | tuple[Any, ...]]
    outputs: Sequence[TensorSpec | tuple[Any, ...]]
    function: Function
    versions: Sequence[str] = ("1",)
    latency: float | Callable[[Mapping[str, Any]], float] = 0.0
    max_batch_size: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ready: bool = True
    platform: str = "python"

    def __post_init__(self) -> None:
        self.input_specs = {spec.name: spec for spec in (TensorSpec(*each) for each in self.inputs)}
        self.output_specs = {spec.name: spec for spec in (TensorSpec(*each) for each in self.outputs)}
        for spec in (*self.input_specs.values(), *self.output_specs.values()):
            if spec.datatype is not None and spec.datatype not in DATATYPES:
                raise ConfigError(
                    f"datatype {spec.datatype!r} of tensor {spec.name!r} is not one of {', '.join(DATATYPES)}"
                )
        if not self.versions or not all(version.isdecimal() for version in self.versions):
            raise ConfigError(f"versions of model {self.name!r} must be numbers, at least one, not {self.versions!r}")
        self.latest = max(self.versions, key=int)
        self.is_coroutine = inspect.iscoroutinefunction(self.function)

    def metadata(self) -> dict[str, Any]:
        """The answer to a question for the model's metadata."""
        return {
            "name": self.name,
            "versions": sorted(self.versions, key=int),
            "platform": self.platform,
            "inputs": [self._described(spec) for spec in self.input_specs.values()],
            "outputs": [self._described(spec) for spec in self.output_specs.values()],
        }

    def full_shape(self, spec: TensorSpec) -> tuple[int, ...]:
        """The shape of a tensor as seen from outside, ``-1`` for the batch and for any size."""
        shape = (-1,) if spec.shape is None else spec.shape
        return (-1, *shape) if self.max_batch_size else shape

    def _described(self, spec: TensorSpec) -> dict[str, Any]:
        # Real models have a datatype always; "ANY" says that this server looks at the request instead.
        return {"name": spec.name, "datatype": spec.datatype or "ANY", "shape": list(self.full_shape(spec))}


def default_models() -> list[Model]:
    """The models of a server that was given none.

    ``identity`` gives its one input of any datatype and shape back.  ``add_sub`` takes two FP32 vectors and gives sum
    and difference.  ``sentiment`` labels texts (BYTES ``[n, 1]``) by counting words.  ``slow`` is an identity that
    takes as many seconds as the request's parameter ``latency`` says.  ``fails`` answers every request with an error.
    """
    any_in, any_out = [TensorSpec("INPUT0")], [TensorSpec("OUTPUT0")]
    return [
        Model("identity", any_in, any_out, _identity),
        Model(
            "add_sub",
            [TensorSpec("INPUT0", "FP32", (-1,)), TensorSpec("INPUT1", "FP32", (-1,))],
            [TensorSpec("OUTPUT0", "FP32", (-1,)), TensorSpec("OUTPUT1", "FP32", (-1,))],
            _add_sub,
        ),
        Model(
            "sentiment",
            [TensorSpec("TEXT", "BYTES", (1,))],
            [TensorSpec("LABEL", "BYTES", (1,)), TensorSpec("SCORE", "FP32", (1,))],
            _sentiment,
            max_batch_size=32,
        ),
        Model("slow", any_in, any_out, _identity, latency=lambda parameters: float(parameters.get("latency", 0))),
        Model("fails", any_in, any_out, _fail),
    ]


def _identity(inputs: Arrays) -> Arrays:
    return {"OUTPUT0": inputs["INPUT0"]}


def _add_sub(inputs: Arrays) -> Arrays:
    left, right = inputs["INPUT0"], inputs["INPUT1"]
    if left.shape != right.shape:
        raise ModelError(f"INPUT0 has shape {left.shape}, INPUT1 has {right.shape}")
    return {"OUTPUT0": left + right, "OUTPUT1": left - right}


def _fail(_: Arrays) -> Arrays:
    raise ModelError("this model never works")


_GOOD = frozenset({b"good", b"great", b"happy", b"love", b"lovely", b"nice", b"what"})
_BAD = frozenset({b"awful", b"bad", b"hate", b"rain", b"sad", b"terrible"})


def _sentiment(inputs: Arrays) -> Arrays:
    texts = inputs["TEXT"]
    scores = np.array([_score(text) for text in texts.ravel()], dtype=np.float32).reshape(texts.shape)
    labels = np.array([_label(score) for score in scores.ravel()], dtype=np.object_).reshape(texts.shape)
    return {"LABEL": labels, "SCORE": scores}


def _score(text: bytes) -> float:
    words = text.lower().split()
    balance = sum(word in _GOOD for word in words) - sum(word in _BAD for word in words)
    return balance / max(1, len(words))


def _label(score: float) -> bytes:
    if score == 0:
        return b"neutral"
    return b"positive" if score > 0 else b"negative"
