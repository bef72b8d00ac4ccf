"""Annotations of local names: claims that are checked. Python does not convert there, so neither may the program."""

from __future__ import annotations

import ast
import types
import typing
from typing import Any

from bpfvm.compiler.frontend.numbers.ranges import shown
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BOOLEAN, MODULAR, Maybe, Nothing, Number, Reference, Value
from bpfvm.lang.functions.signature import Scalar, namespace, scalar_of
from bpfvm.lang.types.scalars import Storage

_NAME_ONE = "name a type of numbers: u8 to s64, int, bool"


def check(f: Translation, annotation: ast.expr, value: Value, node: ast.expr, name: str) -> None:
    """Check that `value` is what `name: annotation` says; E014, E048 or E049 where it is not."""
    hint, known = _evaluated(f, annotation)
    if known and isinstance(value, Reference):
        _reference(f, hint, value, node, f"{name}: {f.quoted(annotation)}")
        return
    if not known or not isinstance(value, Number | Maybe | Nothing) or (isinstance(value, Maybe) and value.pointer):
        return
    claim = f"{name}: {f.quoted(annotation)}"
    whole, optional = _without_none(hint)
    if isinstance(value, Nothing) or (isinstance(value, Maybe) and not optional):
        if not optional and whole is not None and scalar_of(whole) is not None:
            _unconverted(f, node, name, claim, "", f"this value is {value.described}")
        return
    number = value.number if isinstance(value, Maybe) else value
    declared = scalar_of(whole)
    if declared is None:
        f.error("E014", f"`{f.quoted(annotation)}` is no type of a number", annotation, help=_NAME_ONE)
        return
    _number(f, declared, number, node, name, claim)


def _reference(f: Translation, hint: Any, value: Reference, node: ast.expr, claim: str) -> None:
    """A struct or an array is what its class says."""
    whole, _ = _without_none(hint)
    if whole is not Any and not (isinstance(whole, type) and issubclass(value.type, whole)):
        f.error(
            "E048",
            f"the annotation `{claim}` does not convert; this value is {value.described}",
            node,
            why="Python ignores annotations on local variables: the name refers to the same object",
            help=f"annotate it by its own type: {value.type.__name__}",
        )


def _number(f: Translation, declared: Scalar, value: Number, node: ast.expr, name: str, claim: str) -> None:
    target = declared.annotation.__name__
    if declared.modular is not None and value.kinds != {MODULAR[declared.modular]}:
        f.error(
            "E049",
            f"the annotation `{claim}` does not convert; this value is {value.described}",
            node,
            why=f"Python ignores annotations on local variables, so its arithmetic would not wrap as {target} does",
            help=f"{name} = {target}({f.quoted(node)})",
        )
    elif declared.annotation is bool and value.kinds != BOOLEAN:
        _unconverted(f, node, name, claim, "bool", f"this value is {value.described}")
    elif not _within(value, declared):
        exact = isinstance(declared.annotation, Storage)
        above = value.range.lo >= 0 and exact
        fact = f"can be up to {shown(value.range.hi)}" if above else f"lies in {f.shown(value.range)}"
        _unconverted(f, node, name, claim, target if exact else "u64", f"this value {fact}")


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`T` of `T | None`, and whether None is in it."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, hint is None
    parts = [one for one in typing.get_args(hint) if one is not type(None)]
    return (parts[0] if len(parts) == 1 else None), len(parts) < len(typing.get_args(hint))


def _within(value: Number, declared: Scalar) -> bool:
    if declared.annotation is int and declared.limits is None:
        return value.range.exact
    return value.range.within(declared.range)


def _unconverted(f: Translation, node: ast.expr, name: str, claim: str, target: str, fact: str) -> None:
    f.error(
        "E048",
        f"the annotation `{claim}` does not convert; {fact}",
        node,
        why="Python ignores annotations on local variables: CPython keeps the full value, and machines would differ",
        help=f"{name} = {target}({f.quoted(node)})",
    )


def _evaluated(f: Translation, annotation: ast.expr) -> tuple[Any, bool]:
    """What an annotation names, and whether it does: E014 where it fails."""
    try:
        found = eval(compile(ast.Expression(annotation), "<annotation>", "eval"), namespace(f.frame.function))
        return (eval(found, namespace(f.frame.function)) if isinstance(found, str) else found), True
    except Exception as error:  # whatever the expression raises
        text = f"the annotation `{f.quoted(annotation)}` fails: {_words(error)}"
        f.error("E014", text, annotation, help=_NAME_ONE)
        return None, False


def _words(error: Exception) -> str:
    if isinstance(error, NameError):
        return str(error).removeprefix("name ").replace("'", "`")
    return f"{type(error).__name__}: {error}"
