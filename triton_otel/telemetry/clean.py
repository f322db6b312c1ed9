"""Attributes of which it is known that the SDK would keep them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Clean", "clean", "needs_no_cleaning"]

_TEXT = frozenset({str})
_CLEAN = frozenset({str, bool, int, float})


def needs_no_cleaning(attributes: Mapping[str, Any]) -> bool:
    """Return whether the SDK would keep attributes as they are: keys are texts, values texts, truth values, numbers."""
    return (
        _CLEAN.issuperset(map(type, attributes.values()))
        and _TEXT.issuperset(map(type, attributes))
        and ("" not in attributes)
    )


class Clean(dict[str, Any]):
    """Attributes that need no cleaning and are not changed after they were made; their type says so."""

    __slots__ = ()


def clean(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes as :class:`Clean` where they are; else as they came."""
    return Clean(attributes) if needs_no_cleaning(attributes) else attributes
