"""`m[k]`, `m[k] = v`, `m[k] += v`, `del m[k]`, `k in m`: of maps of data, and of those with a meaning of their own."""

from __future__ import annotations

import ast
from collections.abc import Callable

from bpfvm.compiler.frontend.maps import elements, mapped, queues, sockets
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import MapValue, Value
from bpfvm.lang.maps import Bloom, ProgArray, Sockets


def item(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Value:
    """`m[k]`."""
    if node is f.discarded:
        f.warn("W131", f"what `{f.quoted(node)}` looks up is not used", node, help="leave it out, or bind it to a name")
    if isinstance(owner.declared, ProgArray):
        return mapped.slot(f, owner, index, node)
    get = sockets.item if isinstance(owner.declared, Sockets) else elements.item
    return get(f, owner, index, node)


def set_item(
    f: Translation, owner: MapValue, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`m[k] = assigned`."""
    store = sockets.set_item if isinstance(owner.declared, Sockets) else elements.set_item
    store(f, owner, index, target, assigned, source)


def update(
    f: Translation, owner: MapValue, index: Value | None, node: ast.AugAssign, operand: Callable[[], Value]
) -> None:  # fmt: skip
    """`m[k] op= v`."""
    elements.update(f, owner, index, node, operand)


def delete(f: Translation, owner: MapValue, index: Value, target: ast.Subscript) -> None:
    """`del m[k]`."""
    remove = sockets.delete if isinstance(owner.declared, Sockets) else elements.delete
    remove(f, owner, index, target)


def contains(f: Translation, owner: MapValue, left: Operand, node: ast.expr) -> Branches:
    """`k in m`."""
    if isinstance(owner.declared, Bloom):
        return queues.contains(f, owner, left, node)
    find = sockets.contains if isinstance(owner.declared, Sockets) else elements.contains
    return find(f, owner, left, node)
