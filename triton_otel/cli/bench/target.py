"""What one client sends where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from triton_otel.cli.inputs import make_inputs
from triton_otel.kserve.dtypes import datatype_of
from triton_otel.kserve.request import Input
from triton_otel.kserve.tensor import Array, encode

__all__ = ["Data", "Target", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """One input of the model."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype}{list(self.shape)}"


@dataclass(frozen=True)
class Data:
    """The data of one input."""

    tensor: Tensor
    array: Array

    def encoded(self) -> bytes | memoryview:
        """Return the bytes as they go over the wire; a view where the array has them already."""
        return encode(self.array, self.tensor.datatype)


@dataclass(frozen=True)
class Target:
    """What one client sends where, and how many calls it has in flight.  Travels to the client's process as JSON."""

    client: str
    """Which client; one of the kinds of the worker."""
    scheme: str
    host: str
    port: int
    base_path: str
    """Path before ``/v2``."""
    model: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    """Names of the outputs that the caller takes out of an answer."""
    lanes: int = 1
    """Calls at the same time: threads, or tasks of an async client."""
    timeout: float = 120.0
    """Seconds that a call of our own client may take."""
    idle: int = 0
    """Idle connections to have in the pool; 0 leaves it to the traffic."""
    reuse: bool = True
    """Whether connections are reused."""
    ca_file: str | None = None
    """PEM file of the authority to verify the server with; ``None`` for the system's."""
    telemetry: str = "default"
    """How OpenTelemetry is set up around our own client, where the worker knows ways to."""
    otlp_endpoint: str | None = None
    """Where telemetry goes."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Target:
        """Return the target that :meth:`as_json` of it gave."""
        tensors = tuple(Tensor(one["name"], one["datatype"], tuple(one["shape"])) for one in told["inputs"])
        return cls(**{**told, "inputs": tensors, "outputs": tuple(told["outputs"])})

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return asdict(self)

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"{self.scheme}://{self.authority}{self.base_path}"

    @property
    def path(self) -> str:
        """Path of an inference."""
        return f"{self.base_path}/v2/models/{quote(self.model, safe='')}/infer"

    @property
    def infer_url(self) -> str:
        """URL of an inference."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def arguments(self) -> dict[str, object]:
        """Return the inputs as our own client takes them, always the same data."""
        described = {"name": self.model, "inputs": [asdict(tensor) for tensor in self.inputs]}
        return make_inputs(described)

    def data(self) -> list[Data]:
        """Return the data of every input."""
        made = []
        for tensor, argument in zip(self.inputs, self.arguments().values(), strict=True):
            array: Array = argument.data if isinstance(argument, Input) else argument  # type: ignore[assignment]
            sent = argument.datatype if isinstance(argument, Input) else None
            made.append(Data(Tensor(tensor.name, sent or datatype_of(array.dtype), tensor.shape), array))
        return made

    def payload(self) -> int:
        """Return how many bytes the tensors have on the wire."""
        return sum(len(data.encoded()) for data in self.data())
