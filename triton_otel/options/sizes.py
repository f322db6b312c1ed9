"""Numbers of bytes, however they are spelled."""

from __future__ import annotations

import re
from typing import TypeAlias

from triton_otel.errors import ConfigError
from triton_otel.options.values import read_int, show

__all__ = ["Size", "parse_size"]

Size: TypeAlias = int | str
"""What is accepted as a size: a whole number of bytes, or text such as ``"64 MB"`` or ``"2 GiB"``."""

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
_TEXT = re.compile(r"([0-9]{1,15})\s*([A-Za-z]*)")
_EXAMPLES = 'write for example "64 MB", "2 GiB", or a whole number of bytes such as 1048576'


def parse_size(value: object, *, name: str) -> int:
    """Return a number of bytes, at least 1.

    Parameters:
        value: A whole number of bytes, or text: ``"64 MB"``, ``"2 GiB"``, ``"1048576"``.  Units, in any case and with
            or without a blank before them: ``B``, ``kB``, ``MB``, ``GB``, ``TB`` of 1000 and ``KiB``, ``MiB``, ``GiB``,
            ``TiB`` of 1024.
        name: Name of the option or argument, for the error.

    Raises:
        ConfigError: It is no size, or less than 1.
    """
    if isinstance(value, str):
        found = _TEXT.fullmatch(value.strip())
        unit = _UNITS.get(found[2].lower()) if found else None
        if not found or unit is None:
            raise ConfigError(f"{name}: {show(value)} is no size; {_EXAMPLES}")
        value = int(found[1]) * unit
    return read_int(value, name, minimum=1)
