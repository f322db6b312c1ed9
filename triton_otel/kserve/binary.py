"""Arithmetic of the binary tensor data extension: where the JSON ends and where each tensor begins.

A body with binary tensors is the JSON object followed by the bytes of the tensors, without padding, in the order in
which the JSON names them.  ``Inference-Header-Content-Length`` tells the length of the JSON; without that header the
whole body is JSON.  The length of each tensor stands in its ``binary_data_size`` parameter.

Source: Triton's *Binary Tensor Data Extension*.
"""

from __future__ import annotations

from triton_otel.errors import DecodeError

__all__ = ["HEADER_LENGTH", "BinaryCursor", "header_length_of", "split_body", "take_size"]

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Name of the HTTP header with the length of the JSON part in bytes."""

# A 64-bit length has at most 20 digits; longer ones are refused before they cost anything to convert.
_MAX_DIGITS = 20


def header_length_of(value: str | bytes | None) -> int | None:
    """Read the value of the ``Inference-Header-Content-Length`` header.

    Parameters:
        value: The header's value, ``None`` when the header is absent.

    Returns:
        The length of the JSON in bytes, ``None`` when the header is absent.

    Raises:
        DecodeError: The value is not a plain decimal number.
    """
    if value is None:
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    text = text.strip(" \t")
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        raise DecodeError(f"{HEADER_LENGTH} is {text[:40]!r}, not a number of bytes")
    return int(text)


def split_body(body: bytes | bytearray | memoryview, header_length: int | None) -> tuple[memoryview, memoryview]:
    """Cut a body into its JSON and its binary part, copying neither.

    Parameters:
        body: The whole body.
        header_length: Length of the JSON in bytes; ``None`` when all of it is JSON.

    Raises:
        DecodeError: The JSON would reach beyond the body.
    """
    view = memoryview(body)
    if view.format != "B" or view.ndim != 1:
        view = view.cast("B")
    if header_length is None:
        header_length = len(view)
    elif not 0 <= header_length <= len(view):
        raise DecodeError(f"{HEADER_LENGTH} is {header_length}, but the body has {len(view)} bytes")
    return view[:header_length], view[header_length:]


def take_size(parameters: dict[str, object]) -> int | None:
    """Return ``binary_data_size`` of a tensor's parameters in bytes, ``None`` when the tensor is not binary.

    Raises:
        DecodeError: It is not a whole number of at least 0.
    """
    if "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise DecodeError(f"binary_data_size is {str(size)[:40]}, not a number of bytes")
    return size


class BinaryCursor:
    """Hands out the tensors of a binary part, one after the other.

    Parameters:
        binary: All bytes after the JSON.
    """

    __slots__ = ("_binary", "_offset")

    def __init__(self, binary: memoryview) -> None:
        self._binary = binary
        self._offset = 0

    def take(self, size: int) -> memoryview:
        """Return the next ``size`` bytes.

        Raises:
            DecodeError: There are not that many left.
        """
        start = self._offset
        end = start + size
        if end > len(self._binary):
            raise DecodeError(
                f"binary_data_size is {size}, but only {len(self._binary) - start} bytes follow the JSON for it"
            )
        self._offset = end
        return self._binary[start:end]

    def finish(self) -> None:
        """Check that every byte was handed out.

        Raises:
            DecodeError: Bytes are left after the last tensor.
        """
        surplus = len(self._binary) - self._offset
        if surplus:
            raise DecodeError(f"{surplus} bytes follow the last tensor")
