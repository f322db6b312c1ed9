"""What the options of ``triton-otel bench`` take, as click's callbacks: text in, value out, or a telling error."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from triton_otel.cli.words import one_line

__all__ = ["counts", "payload", "shapes", "writable"]


def counts(most: int) -> Callable[[click.Context, click.Parameter, str | None], tuple[int, ...]]:
    """Return what reads whole numbers with commas between; they come in ascending order, each once.

    Parameters:
        most: The largest that is allowed.
    """

    def read(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
        if value is None:
            return ()
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= most for part in parts):
            raise click.BadParameter(
                f"{one_line(value)!r} has something that is no number from 1 to {most}; write for example 1,8"
            )
        return tuple(sorted({int(part) for part in parts}))

    return read


def shapes(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read inputs and their shapes, as ``IMAGE:1,3,224,224``."""
    from triton_otel.cli.bench.shapes import WrongInput, parse_shape

    found: dict[str, tuple[int, ...]] = {}
    for value in values:
        try:
            name, shape = parse_shape(value)
        except WrongInput as error:
            raise click.BadParameter(str(error)) from error
        if name in found:
            raise click.BadParameter(f"{one_line(name)} is given twice")
        found[name] = shape
    return found


def payload(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """Read a number of bytes, as ``64KB``."""
    from triton_otel.cli.bench.shapes import WrongInput, parse_size

    if value is None:
        return None
    try:
        return parse_size(value)
    except WrongInput as error:
        raise click.BadParameter(str(error)) from error


def writable(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Check that a file can be written, so that nothing is measured for a report that has no place."""
    if path is None:
        return None
    folder = path.absolute().parent
    if path.is_dir():
        raise click.BadParameter(f"{one_line(path)} is a folder; name a file")
    if not folder.is_dir():
        raise click.BadParameter(f"the folder {one_line(folder)} does not exist")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise click.BadParameter(f"{one_line(path)} cannot be written")
    return path
