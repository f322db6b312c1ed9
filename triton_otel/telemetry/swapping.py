"""The code of somebody else's function with some of the global names in it standing for things of ours."""

from __future__ import annotations

import types

__all__ = ["UnknownShapeError", "swapped"]


class UnknownShapeError(Exception):
    """A private part of the SDK or of an exporter is not as expected: another version."""


def swapped(function: object, **names: object) -> types.FunctionType:
    """Return a copy of a function that finds other objects under some global names; the function stays as it is.

    Parameters:
        function: A function written in Python, without a decorator.
        names: Global name in the function to what it shall stand for.

    Raises:
        UnknownShapeError: It is no such function, or does not use a name.
    """
    if not isinstance(function, types.FunctionType) or not set(names) <= set(function.__code__.co_names):
        raise UnknownShapeError(f"{function!r} does not use {', '.join(names)}")
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
