"""Fields of protobuf messages as bytes, and the key-value pairs of OTLP.

A field is a tag (its number and how it is written) and a value; bytes, text and messages begin with their length.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

__all__ = ["KeyValues", "UnknownValueError", "field", "varint"]

K = TypeVar("K")

_SMALL = tuple(bytes((low,)) for low in range(128)) + tuple(
    bytes((number & 0x7F | 0x80, number >> 7)) for number in range(128, 1 << 14)
)

# A text that is longer is not likely to come again, and would make the bound on the number no bound on the memory.
_MAX_KEPT_TEXT = 256
_MAX_KEPT = 2048
_MAX_KEPT_SETS = 256


class UnknownValueError(Exception):
    """A value that this encoder leaves to the stock one."""


def varint(number: int) -> bytes:
    """Return a number from 0 to 2**64 - 1 in groups of seven bits, the lowest first."""
    if number < 1 << 14:
        return _SMALL[number]
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def field(tag: bytes, content: bytes) -> bytes:
    """Return a field of bytes, text or a message.

    Parameters:
        tag: Number and kind of the field, encoded.
        content: Its value.
    """
    return tag + varint(len(content)) + content


class KeyValues:
    """Writes attributes as fields of a message, and keeps those that come again.

    Parameters:
        tag: Tag of the field that the attributes are.
    """

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        # By type: for a dict True, 1 and 1.0 are one key.
        self._texts: dict[tuple[str, object], bytes] = {}
        self._integers: dict[tuple[str, object], bytes] = {}
        self._flags: dict[tuple[str, object], bytes] = {}
        # All of a field but its number: counters and times hardly come again, their keys do.
        self._before_integers: dict[tuple[str, int], bytes] = {}
        self._before_doubles: dict[str, bytes] = {}
        self._pack = struct.Struct("<d").pack
        # By id; the attributes are held, so that nothing else can get it.
        self._sets: dict[int, tuple[dict[str, Any], bytes]] = {}

    def append_again(self, parts: list[bytes], attributes: dict[str, Any]) -> None:
        """Append the fields of attributes that are likely to come again, the same object; otherwise as :meth:`append`.

        Parameters:
            parts: Where to.
            attributes: Key to value; not changed after they were made.
        """
        known = self._sets.get(id(attributes))
        if known is None:
            fields: list[bytes] = []
            self.append(fields, attributes)
            known = (attributes, b"".join(fields))
            if len(self._sets) >= _MAX_KEPT_SETS:
                self._sets.clear()
            self._sets[id(attributes)] = known
        parts.append(known[1])

    def append(self, parts: list[bytes], attributes: dict[str, object]) -> None:
        """Append the fields of attributes.

        Parameters:
            parts: Where to.
            attributes: Key to value.

        Raises:
            UnknownValueError: A value is of another type than text, truth value, integer of 64 bits and float.
            UnicodeEncodeError: A text cannot be encoded.
        """
        texts, doubles, integers, pack = self._texts, self._before_doubles, self._integers, self._pack
        part: bytes | None
        for pair in attributes.items():
            value = pair[1]
            kind = type(value)
            if kind is str:
                part = texts.get(pair)
            elif kind is float:
                part = doubles.get(pair[0])
                if part is None:
                    part = self._before_double(pair[0])
                parts.append(part)
                part = pack(value)
            elif kind is int:
                part = integers.get(pair)
            elif kind is bool:
                part = self._flags.get(pair)
            else:
                raise UnknownValueError(kind)
            parts.append(part or self._learn(pair))

    def _learn(self, pair: tuple[str, object]) -> bytes:
        """Return the field of a pair that is not known, and keep it where it is likely to come again."""
        key, value = pair
        if isinstance(value, str):
            part = self._field(key, field(b"\x0a", value.encode()))
            if len(value) <= _MAX_KEPT_TEXT:
                _keep(self._texts, pair, part)
            return part
        if isinstance(value, bool):
            part = self._field(key, b"\x10\x01" if value else b"\x10\x00")
            _keep(self._flags, pair, part)
            return part
        assert isinstance(value, int)
        if not -(1 << 63) <= value < 1 << 63:
            raise UnknownValueError(value)
        number = varint(value & 0xFFFFFFFFFFFFFFFF)
        before = self._before_integers.get((key, len(number)))
        if before is None:
            before = self._field(key, b"\x18" + number)[: -len(number)]
            _keep(self._before_integers, (key, len(number)), before)
        part = before + number
        _keep(self._integers, pair, part)
        return part

    def _before_double(self, key: str) -> bytes:
        part = self._field(key, b"\x21" + bytes(8))[:-8]
        _keep(self._before_doubles, key, part)
        return part

    def _field(self, key: str, value: bytes) -> bytes:
        return field(self._tag, field(b"\x0a", key.encode()) + field(b"\x12", value))


def _keep(kept: dict[K, bytes], key: K, part: bytes) -> None:
    # To forget everything now and then is cheaper than to know at each look-up what is old.
    if len(kept) >= _MAX_KEPT:
        kept.clear()
    kept[key] = part
