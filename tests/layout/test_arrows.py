"""The rooms of the package and the arrows between them: who may import whom."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "triton_otel"

# Room to the rooms, or single modules, that it may import.
ALLOWED: dict[str, set[str]] = {
    "_clock": set(),
    "_version": set(),
    "errors": set(),
    "options": {"errors"},
    "kserve": {"errors"},
    "wire": {"_clock"},
    "pool": {"_clock", "wire"},
    "advice": {"errors", "options", "pool.stats"},
    "telemetry": {"_clock", "_version", "errors", "pool.stats"},
    "client": {"_clock", "_version", "errors", "options", "kserve", "wire", "pool", "telemetry"},
    "testing": {"*"},
    "cli": {"*"},
    "__init__": {"_version", "errors", "client", "kserve", "options", "pool", "wire"},
}

# Modules that are stricter than their room: of its own room such a one imports only modules that do no I/O.
STRICT = {"pool.state": {"errors"}, "pool.books": {"errors"}, "pool.stats": set(), "telemetry.names": {"_version"}}

# No room imports these.
LEAVES = {"testing", "cli"}

# Sans-I/O: decisions only.
NO_IO = (
    "options",
    "advice",
    "kserve",
    "pool.state",
    "pool.books",
    "pool.sharing",
    "pool.mending",
    "pool.slot",
    "pool.idle",
    "pool.deadlines",
    "pool.lifetimes",
    "pool.counters",
    "pool.stats",
    "wire.phases",
    "wire.encoder",
    "wire.parser",
    "wire.chunks",
    "wire.early",
    "wire.keepalive",
    "client.coding",
    "client.headers",
    "wire.buffers",
    "wire.parts",
)
IO_MODULES = {"socket", "ssl", "httpcore", "threading", "asyncio", "subprocess", "select", "selectors", "time"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


def runtime_imports(path: Path) -> set[str]:
    """Return what a module imports when it runs; imports for the type checker only are no arrows."""
    names: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                walk(child)
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            if node.module in {"triton_otel", *(f"triton_otel.{room}" for room in ALLOWED)}:
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
            else:
                names.add(node.module)
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text(encoding="utf-8")))
    return names


def ours(imported: str) -> str | None:
    """Return the module of the package that an import names, without the package's own name."""
    if not imported.startswith("triton_otel."):
        return None
    known = modules()
    name = imported.removeprefix("triton_otel.")
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or "__init__"


def room(module: str) -> str:
    return module.split(".")[0]


def forbidden(module: str, imports: set[str]) -> list[str]:
    """Return the arrows of a module that the layout does not have."""
    allowed = STRICT[module] if module in STRICT else ALLOWED[room(module)]
    bad = []
    for imported in imports:
        target = ours(imported)
        if target is None or "*" in allowed:
            continue
        if room(target) == room(module):
            if module in STRICT and target not in NO_IO:
                bad.append(f"{module} -> {target}")
        elif room(target) not in allowed and target not in allowed:
            bad.append(f"{module} -> {target}")
    return sorted(bad)


def test_every_module_keeps_to_the_layout() -> None:
    arrows = [arrow for name, path in modules().items() for arrow in forbidden(name, runtime_imports(path))]
    assert arrows == []


def test_every_room_is_in_the_layout() -> None:
    assert {room(name) for name in modules()} <= {room(name) for name in ALLOWED}


def test_no_room_imports_a_leaf() -> None:
    wrong = [
        f"{name} -> {imported}"
        for name, path in modules().items()
        if room(name) not in LEAVES
        for imported in runtime_imports(path)
        if (target := ours(imported)) and room(target) in LEAVES
    ]
    assert wrong == []


@pytest.mark.parametrize("place", NO_IO)
def test_decisions_do_no_io(place: str) -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, path in modules().items()
        if name == place or name.startswith(place + ".")
        for imported in runtime_imports(path)
        if imported.split(".")[0] in IO_MODULES
    ]
    assert wrong == []


def test_opentelemetry_is_named_in_its_room_only() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, path in modules().items()
        if room(name) not in {"telemetry", "cli", "testing"}
        for imported in runtime_imports(path)
        if imported.split(".")[0] == "opentelemetry"
    ]
    assert wrong == []


def test_a_backward_arrow_is_found() -> None:
    assert forbidden("kserve.request", {"triton_otel.client.sync"}) == ["kserve.request -> client.sync"]
    assert forbidden("pool.state", {"triton_otel.pool.sync"}) == ["pool.state -> pool.sync"]
    assert forbidden("pool.sync", {"triton_otel.telemetry.names"}) == ["pool.sync -> telemetry.names"]
    assert forbidden("client.sync", {"triton_otel.cli"}) == ["client.sync -> cli"]
    assert forbidden("client.sync", {"triton_otel.pool.sync", "numpy"}) == []


def test_names_stand_at_the_top_of_the_interpreter_path() -> None:
    # No room may hide a module of the standard library from its own modules.
    assert not {room(name) for name in modules()} & set(sys.stdlib_module_names)
