"""Circles of imports: modules that need one another, also where an import stands in a function.

What only type checkers import is no part of it, nor that a package's `__init__` runs before its modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.repo.statements import inside

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"bpfvm": ROOT / "bpfvm", "bpfvm.compiler": ROOT / "compiler", "bpfvm.emulator": ROOT / "emulator"}

# How many modules of a folder stand in circles. It may only shrink. Translation is recursive: an expression has others
# in it, of every kind that the tables of handlers name.
STANDING: Mapping[str, int] = {"bpfvm.compiler.frontend": 57}


def modules() -> dict[str, Path]:
    """Every module that ships, by its name; links not followed."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            if path.resolve() == path:
                parts = path.relative_to(folder).with_suffix("").parts
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports, in functions as well: of `from a import b` both a.b and a."""
    within = inside(tree)
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        within = iter(tree.orelse)
    if isinstance(tree, ast.Import):
        yield from (one.name for one in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield from (f"{tree.module}.{one.name}" for one in tree.names)
    for one in within:
        yield from imported(one)


def graph(found: Mapping[str, Path]) -> dict[str, set[str]]:
    """For each module those that it imports. `from a import b` is of the module a.b where there is one, else of a."""
    edges: dict[str, set[str]] = {}
    for name, path in found.items():
        words = imported(ast.parse(path.read_text()))
        targets = (word if word in found else word.rpartition(".")[0] for word in words)
        edges[name] = {one for one in targets if one in found and one != name}
    return edges


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan), the largest first."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for one in sorted(edges[name]):
            if one not in order:
                visit(one)
            if one in stack:
                low[name] = min(low[name], low[one])
        if low[name] == order[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in edges:
        if name not in order:
            visit(name)
    return sorted(found, key=len, reverse=True)


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(edges) == [["a", "b", "c"], ["d", "e"]]
    code = "if TYPE_CHECKING:\n  import x\nelse:\n  import y\ndef f():\n  from p.q import r, s"
    assert list(imported(ast.parse(code))) == ["y", "p.q.r", "p.q.s"]


def test_modules_do_not_import_one_another() -> None:
    found = modules()
    assert len(found) > 500
    count: dict[str, int] = {}
    for one in circles(graph(found)):
        print(" ".join(one))
        for name in one:
            folder = ".".join(name.split(".")[:3])
            count[folder] = count.get(folder, 0) + 1
    assert count == STANDING, "fewer: write the new number; more: move what both need to a module of its own"
