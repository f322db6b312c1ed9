"""A frame that still holds the exception it raised is a cycle: the request stays until the collector comes.

Python forgets the name of an ``except … as name`` by itself; any other local name that is raised has to be forgotten in
a ``finally``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import triton_otel

PACKAGE = Path(triton_otel.__file__).parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


def kept(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of what is raised and kept."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, Function):
            forgotten = {node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)}
            forgotten |= {name for node in ast.walk(function) for name in ended(node)}
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                    name = node.exc.id
                    # A class stands for an exception that has no name.
                    if name not in forgotten and name.strip("_")[0].islower():
                        yield node.lineno, name


def ended(node: ast.AST) -> Iterator[str]:
    """Yield the names that a ``finally`` forgets."""
    if not isinstance(node, ast.Try):
        return
    for statement in node.finalbody:
        set_to = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(statement, ast.Delete) or isinstance(set_to, ast.Constant):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def test_nothing_that_is_raised_is_kept() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in kept(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("failure = make()\n    raise failure", ["failure"]),
        ("try:\n        act()\n    except Exception as error:\n        raise error", []),
        (
            "try:\n        act()\n    except E as error:\n        other = f(error)\n        raise other from error",
            ["other"],
        ),
        ("failure = make()\n    try:\n        raise failure\n    finally:\n        del failure", []),
        ("failure = make()\n    try:\n        raise failure\n    finally:\n        failure = None", []),
        ("failure = make()\n    try:\n        raise failure\n    finally:\n        act()", ["failure"]),
        ("raise Failure", []),
        ("raise make()", []),
    ],
)
def test_the_rule(body: str, names: list[str]) -> None:
    assert [name for _, name in kept(f"def function():\n    {body}\n")] == names
