"""What a caller gets from an inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from triton_otel.kserve.dtypes import datatype_of
from triton_otel.kserve.tensor import Array

if TYPE_CHECKING:
    from triton_otel.kserve.response import ParsedInfer
    from triton_otel.wire.phases import ConnectionInfo, Timing

__all__ = ["InferResult"]


class Facts(Protocol):
    """A request that is over, as far as a result tells of it."""

    def timing(self) -> Timing:
        """Return its phases."""
        ...

    def connection(self) -> ConnectionInfo:
        """Return the connection that answered."""
        ...


class InferResult(Mapping[str, Array]):
    """The outputs of an inference by name, with what is known of the request.

    A read-only mapping: ``result["LABEL"]`` is a numpy array.  Arrays of numbers are views on the answer's bytes;
    ``BYTES`` is an array of ``bytes`` objects.  Two results are equal only if they are the same one.

    Parameters:
        parsed: The answer.
        timing: Phases of the request in seconds.
        connection: The connection that answered.
        attempt: In place of both: the request, which is over; they are read from it when somebody asks for them.
    """

    __slots__ = ("_attempt", "_connection", "_parsed", "_timing")

    def __init__(
        self,
        parsed: ParsedInfer,
        timing: Timing | None = None,
        connection: ConnectionInfo | None = None,
        *,
        attempt: Facts | None = None,
    ) -> None:
        self._parsed = parsed
        self._timing = timing
        self._connection = connection
        self._attempt = attempt

    @property
    def model_name(self) -> str:
        """Name of the model that answered, as the server says it."""
        return self._parsed.model_name

    @property
    def model_version(self) -> str | None:
        """Version of the model that answered; ``None`` where the server did not say."""
        return self._parsed.model_version

    @property
    def id(self) -> str | None:
        """The request's id; ``None`` where it had none."""
        return self._parsed.id

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the answer; a copy."""
        return dict(self._parsed.parameters)

    @property
    def timing(self) -> Timing:
        """Phases of the request in seconds, the same as on its span."""
        timing = self._timing
        if timing is None:
            assert self._attempt is not None
            timing = self._timing = self._attempt.timing()
        return timing

    @property
    def connection(self) -> ConnectionInfo:
        """The connection that answered: reused or new, its age and the number of this request on it."""
        connection = self._connection
        if connection is None:
            assert self._attempt is not None
            connection = self._connection = self._attempt.connection()
        return connection

    def __getitem__(self, name: str) -> Array:
        """Return an output.

        Raises:
            KeyError: There is none of that name; the text names those there are.
        """
        try:
            return self._parsed.outputs[name]
        except KeyError:
            there = ", ".join(map(repr, self._parsed.outputs)) or "none"
            raise KeyError(f"no output {name!r}; the outputs are: {there}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._parsed.outputs

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed.outputs)

    def __len__(self) -> int:
        return len(self._parsed.outputs)

    # Comparing arrays does not give one answer, so results are compared as objects.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._parsed, self.timing, self.connection)

    def __repr__(self) -> str:
        parsed = self._parsed
        outputs = ", ".join(
            f"{name!r}: {parsed.datatypes.get(name) or datatype_of(array.dtype)}{list(array.shape)}"
            for name, array in parsed.outputs.items()
        )
        return (
            f"InferResult(model_name={parsed.model_name!r}, model_version={parsed.model_version!r}, id={parsed.id!r}, "
            f"outputs={{{outputs}}}, timing={self.timing!r}, connection={self.connection!r})"
        )
