"""Atomic updates of numbers that other CPUs change at the same time: `m[k] += e`, `m[k].f |= e`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from bpfvm.compiler.frontend.control import heads
from bpfvm.compiler.frontend.control.flow import aligned_to
from bpfvm.compiler.frontend.memory import place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.kinds import Mixed, result_kinds
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import INT, MODULAR, Kinds, Number, Value
from bpfvm.lang.types.operators import BINARY_BY_NODE
from bpfvm.lang.types.scalars import Storage, bool8

# Updates that are one atomic operation on numbers of these widths (include/uapi/linux/bpf.h, BPF_ATOMIC).
OPERATIONS: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "add",
    ast.BitOr: "or",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
}
_BITS = (32, 64)


def can_be(one: Place, op: ast.operator) -> bool:
    """Whether `place op= v` is one atomic operation, where other CPUs see the place."""
    return is_wide(one) and type(op) in OPERATIONS and is_aligned(one)


def is_wide(one: Place) -> bool:
    """Whether it is a number of a width, and in an order, for which there are atomic operations."""
    kind = one.kind
    is_number = isinstance(kind, Storage) and not kind.is_big and kind is not bool8 and kind.bits in _BITS
    return is_number and not one.bits


def is_aligned(one: Place) -> bool:
    """Whether its address is a multiple of its size, as the instructions want: in packed structs it may not be."""
    return isinstance(one.kind, Storage) and aligned_to(one.at) % one.kind.size == 0


def update(f: Translation, one: Place, node: ast.AugAssign, operand: Callable[[], Value]) -> None:
    """`place op= v`: CPython reads the number, evaluates v, then stores. Atomic where that makes no difference."""
    if one.at.shared and can_be(one, node.op):
        mark, before = heads.mark(f), f.stores
        given = operand()
        if f.stores == before or not f.reachable:
            add(f, one, node, given)
            return
        heads.rollback(f, mark)  # v has stored something, maybe into the place, whose old value is read before
    old = place.read(f, one)
    given = operand()
    place.write(f, one, arith.augmented(f, node, (old, node.target), (given, node.value)), node)


def add(f: Translation, one: Place, node: ast.AugAssign, given: Value) -> None:
    """`place op= given`, atomically. Only the number's low bits matter: all of these are ring operations."""
    fitting = _fitting(f, node, one, given)
    if fitting is None:
        return
    register, kind = f.register(f.state.known(fitting)), one.kind
    if isinstance(node.op, ast.Sub):
        register = f.op("neg", register)
    assert isinstance(kind, Storage), "can_be has said so"
    f.atomic(OPERATIONS[type(node.op)], f.pointer(one.at), register, kind.bits)


def kinds_of(kind: Storage) -> Kinds:
    """The classes of a number that is read from memory."""
    return frozenset({MODULAR[kind]}) if kind.is_modular else INT


def _fitting(f: Translation, node: ast.AugAssign, one: Place, operand: Value) -> Number | None:
    """The operand of an atomic update, or None after the error that the plain operator would give."""
    kind = one.kind
    assert isinstance(kind, Storage), "can_be has said so"
    old = Number(kinds_of(kind), kind.range, f.number(0))
    if isinstance(operand, Number):
        try:
            result_kinds(BINARY_BY_NODE[type(node.op).__name__].name, old.kinds, operand.kinds)
            return operand
        except Mixed:
            pass
    arith.binary(f, node, node.op, (old, node.target), (operand, node.value))
    return None
