"""What may be None, used as if it were there: E030, whatever the syntax."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Bad, Maybe, Nullable, Value


def attribute(f: Translation, owner: Maybe | Nullable, node: ast.Attribute) -> Bad:
    """`v.a`."""
    return f.may_be_none(node.value, owner)


def item(f: Translation, owner: Maybe | Nullable, _: Any, node: ast.Subscript) -> Bad:
    """`v[i]` and `v[a:b]`."""
    return f.may_be_none(node.value, owner)


def set_attribute(f: Translation, owner: Maybe | Nullable, target: ast.Attribute, _: Value, __: ast.expr) -> None:
    """`v.a = x`."""
    f.may_be_none(target.value, owner)


def set_item(f: Translation, owner: Maybe | Nullable, _: Any, target: ast.Subscript, __: Value, ___: ast.expr) -> None:
    """`v[i] = x` and `v[a:b] = x`."""
    f.may_be_none(target.value, owner)


def update(
    f: Translation, owner: Maybe | Nullable, _: Value | None, node: ast.AugAssign, operand: Callable[[], Value]
) -> None:  # fmt: skip
    """`v.a op= x` and `v[i] op= x`."""
    assert isinstance(node.target, ast.Attribute | ast.Subscript), "a name is no part of what may be None"
    f.may_be_none(node.target.value, owner)
    operand()


def delete(f: Translation, owner: Maybe | Nullable, _: Value, target: ast.Subscript) -> None:
    """`del v[i]`."""
    f.may_be_none(target.value, owner)


def contains(f: Translation, owner: Maybe | Nullable, _: Operand, node: ast.expr) -> Branches:
    """`x in v`."""
    f.may_be_none(node, owner)
    return compare.unknown(f)


def length(f: Translation, owner: Maybe | Nullable, node: ast.Call) -> Bad:
    """`len(v)`."""
    return f.may_be_none(node.args[0], owner)


def loop(f: Translation, owner: Maybe | Nullable, node: ast.For, _: Any, __: Any) -> None:
    """`for x in v`."""
    f.may_be_none(node.iter, owner)
