"""The code of somebody else's function with some of the global names in it standing for things of ours."""

from __future__ import annotations

import sys
import types

from triton_otel.telemetry.exporters import fast_export_wanted

__all__ = ["UnknownShapeError", "adoptable", "swapped"]


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


def adoptable(made: object, module: str, kind: str, method: str) -> bool:
    """Return whether a method of something that another's provider made may give way to a quick one of ours.

    It is exactly of the SDK's class, not of a subclass, nor has anybody changed the method of this one.

    Parameters:
        made: A tracer or an instrument of our scope.
        module: Name of the SDK's module; where nobody has imported it, nothing is of the SDK's.
        kind: Name of the class in it.
        method: Name of the method.

    Raises:
        ConfigError: The variable that switches quick ways off says something else.
    """
    expected = getattr(sys.modules.get(module), kind, None)
    return expected is not None and type(made) is expected and method not in vars(made) and fast_export_wanted(None)
