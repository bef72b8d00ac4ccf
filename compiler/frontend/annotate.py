"""Annotations of local names: claims that are checked. Python does not convert there, so neither may the program."""

from __future__ import annotations

import ast
from typing import Any

from bpfvm.compiler.frontend.scope import Unknown
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BOOLEAN, MODULAR, Number, Value
from bpfvm.lang.interval import S64, U64
from bpfvm.lang.types import Storage

_NAME_ONE = "name a type of numbers: u8 to s64, int, bool"


def check(f: Translation, annotation: ast.expr, value: Value, node: ast.expr, name: str) -> None:
    """Check that `value` is what `name: annotation` says; E014, E048 or E049 where it is not."""
    declared = _declared(f, annotation)
    if declared is None or not isinstance(value, Number):
        return
    claim = f"{name}: {f.quoted(annotation)}"
    if isinstance(declared, Storage) and declared.is_modular and value.kinds != {MODULAR[declared]}:
        f.error(
            "E049",
            f"the annotation `{claim}` does not convert; this value is {value.described}",
            node,
            why=f"Python ignores annotations on local variables, so its arithmetic would not wrap as {declared!r} does",
            help=f"{name} = {declared!r}({f.quoted(node)})",
        )
    elif declared is bool and value.kinds != BOOLEAN:
        _unconverted(f, node, name, claim, "bool", f"this value is {value.described}")
    elif not _within(value, declared):
        target = "u64" if declared is int else declared.__name__
        above = value.range.lo >= 0 and isinstance(declared, Storage)
        fact = f"can be up to {f.most(value.range)}" if above else f"lies in {f.shown(value.range)}"
        _unconverted(f, node, name, claim, target, f"this value {fact}")


def _within(value: Number, declared: Any) -> bool:
    if isinstance(declared, Storage):
        return value.range.within(declared.range)
    return value.range.within(S64) or value.range.within(U64)


def _unconverted(f: Translation, node: ast.expr, name: str, claim: str, target: str, fact: str) -> None:
    f.error(
        "E048",
        f"the annotation `{claim}` does not convert; {fact}",
        node,
        why="Python ignores annotations on local variables: CPython keeps the full value, and machines would differ",
        help=f"{name} = {target}({f.quoted(node)})",
    )


def _declared(f: Translation, annotation: ast.expr) -> Any:
    """The type that an annotation names: a storage type, int or bool. None after an error."""
    try:
        found = _resolved(f, _parsed(annotation))
    except (Unknown, AttributeError, SyntaxError) as error:
        f.error("E014", f"the annotation `{f.quoted(annotation)}` fails: {error}", annotation, help=_NAME_ONE)
        return None
    if isinstance(found, Storage) or found in (int, bool):
        return found
    f.error("E014", f"`{f.quoted(annotation)}` is no type of a number", annotation, help=_NAME_ONE)
    return None


def _parsed(annotation: ast.expr) -> ast.expr:
    """The expression, that of a text too."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _resolved(f: Translation, node: ast.expr) -> Any:
    """The object of a name or of a chain of attributes; the node itself, which is no type, for anything else."""
    if isinstance(node, ast.Name):
        return f.scope.lookup(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolved(f, node.value), node.attr)
    return node
