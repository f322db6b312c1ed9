"""Writes the model repository that the tests' Triton serves: the models of this folder, each with its configuration."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DATATYPES", "MODELS", "ON_REQUEST", "Model", "Tensor", "write_repository"]

DATATYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "BYTES",
)
"""Every datatype of the protocol; ``identity_<datatype in lower case>`` is the model for it."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model: its name, datatype and shape without the batch dimension (-1: any length)."""

    name: str
    datatype: str
    dims: tuple[int, ...]

    def config(self) -> str:
        """Return the tensor in the model configuration's words, where BYTES is called TYPE_STRING."""
        kind = "STRING" if self.datatype == "BYTES" else self.datatype
        return f'{{ name: "{self.name}" data_type: TYPE_{kind} dims: {list(self.dims)} }}'


@dataclass(frozen=True)
class Model:
    """A model: its name, the file of this folder that runs it, its tensors, its batch size and its instances."""

    name: str
    source: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0
    instances: int = 1

    def config(self) -> str:
        """Return the text of ``config.pbtxt``."""
        lines = [
            f'name: "{self.name}"',
            'backend: "python"',
            f"max_batch_size: {self.max_batch_size}",
            *(f"input {tensor.config()}" for tensor in self.inputs),
            *(f"output {tensor.config()}" for tensor in self.outputs),
            f"instance_group {{ count: {self.instances} kind: KIND_CPU }}",
        ]
        return "\n".join(lines) + "\n"


def _same_out(name: str, source: str, datatype: str, dims: tuple[int, ...]) -> Model:
    return Model(name, source, (Tensor("INPUT0", datatype, dims),), (Tensor("OUTPUT0", datatype, dims),))


MODELS = (
    *(_same_out(f"identity_{datatype.lower()}", "identity.py", datatype, (-1, -1)) for datatype in DATATYPES),
    Model(
        "add_sub",
        "add_sub.py",
        (Tensor("INPUT0", "FP32", (-1,)), Tensor("INPUT1", "FP32", (-1,))),
        (Tensor("OUTPUT0", "FP32", (-1,)), Tensor("OUTPUT1", "FP32", (-1,))),
    ),
    Model(
        "sentiment",
        "sentiment.py",
        (Tensor("TEXT", "BYTES", (1,)),),
        (Tensor("LABEL", "BYTES", (1,)), Tensor("SCORE", "FP32", (1,))),
        max_batch_size=32,
    ),
    _same_out("slow", "slow.py", "FP32", (-1,)),
    _same_out("fails", "fails.py", "FP32", (-1,)),
)

ON_REQUEST = (
    Model("sleepy", "slow.py", (Tensor("INPUT0", "FP32", (-1,)),), (Tensor("OUTPUT0", "FP32", (-1,)),), instances=8),
)
"""Models that are loaded only where they are named: each instance is a process."""


def write_repository(folder: Path) -> None:
    """Write every model of :data:`MODELS` and :data:`ON_REQUEST`, version 1, into the folder."""
    for model in (*MODELS, *ON_REQUEST):
        version = folder / model.name / "1"
        version.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name(model.source), version / "model.py")
        (folder / model.name / "config.pbtxt").write_text(model.config())
