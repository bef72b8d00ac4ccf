"""The parameters and the result of a function of scalars: every annotation that has no meaning, at its place."""

from __future__ import annotations

import ast
import difflib

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.core.span import Span
from bpfvm.lang.functions.callee import Callee
from bpfvm.lang.functions.signature import RESULT, Signature, problems, signature, text_type
from bpfvm.lang.types.scalars import SCALARS


def declared(f: Translation, callee: Callee, node: ast.FunctionDef | ast.Lambda, head: Span) -> Signature | None:
    """The signature, or None after E014 for each thing that is wrong."""
    found = problems(callee)
    for name, text in found:
        place = _place(node, name)
        help = text_type(name, callee.function.__annotations__.get(name)) if name != RESULT else ""
        f.error("E014", text, head if place is None else place, help=help or _help(f, place, name))
    return signature(callee) if not found else None


def _place(node: ast.FunctionDef | ast.Lambda, name: str) -> ast.AST | None:
    """The annotation of a parameter, or the parameter where it has none. Of no name: what is no plain parameter."""
    if name == RESULT:
        return node.returns if isinstance(node, ast.FunctionDef) else None
    if not name:
        beside = (*node.args.posonlyargs, *node.args.defaults, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg)
        return next((one for one in beside if one is not None), None)
    found = next((one for one in node.args.args if one.arg == name), None)
    return found.annotation or found if found is not None else None


def _help(f: Translation, place: ast.AST | None, name: str) -> str:
    if name and isinstance(place, ast.expr):
        written = f.quoted(place).strip("\"'")
        near = difflib.get_close_matches(written, [*map(repr, SCALARS), "bool", "int"], 1)
        return f"did you mean {near[0]}?" if near else "u8 to s64, be16 to be64, bool or int"
    return f"{name}: u32" if name and place is not None else "def f(a: u32, b: u64) -> u64:"
