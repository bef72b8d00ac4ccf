"""`==` of structs, arrays and texts: bytes compared by the widest words that their alignment allows."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.control.flow import aligned_to
from bpfvm.compiler.frontend.memory import access, kept
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Reference, Static, Value
from bpfvm.core.amounts import octets
from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.structs import runs

truth_value = flow.truth_value


def equal(f: Translation, node: ast.expr, op: ast.cmpop, left: Operand, right: Operand) -> Branches:
    """Branch on `left == right` or `left != right`, one of which lies in memory."""
    holds, fails = _equal(f, node, left, right)
    return (holds, fails) if isinstance(op, ast.Eq) else (fails, holds)


def _equal(f: Translation, node: ast.expr, left: Operand, right: Operand) -> Branches:
    a, b = left[0], right[0]
    if isinstance(a, Static) and isinstance(b, Reference):
        a, b, left, right = b, a, right, left
    if isinstance(a, Reference) and isinstance(b, Reference) and a.type is b.type:
        if kept.is_refused(f, a, left[1]) or kept.is_refused(f, b, right[1]):
            return compare.unknown(f)
        return _same(f, a, b)
    data = access.constant_bytes(b)
    takes_text = isinstance(a, Reference) and (access.is_text(a.type) or (is_bytes(a.type) and _is_bytes(b)))
    if isinstance(a, Reference) and data is not None and takes_text:
        return _text(f, a, data, node)
    f.error(
        "E022",
        f"`==` compares values of one type, and `{f.quoted(left[1])}` is {a.described}, "
        f"`{f.quoted(right[1])}` {b.described}",
        node,
        why="CPython would raise TypeError here",
        help=_hint(a),
    )
    return compare.unknown(f)


def _is_bytes(value: Value) -> bool:
    return isinstance(value, Static) and isinstance(value.object, bytes)


def _hint(value: Value) -> str:
    if isinstance(value, Reference) and is_bytes(value.type):
        return 'compare with bytes: == b"..."'
    return "compare their fields" if isinstance(value, Reference) else "compare numbers"


def _same(f: Translation, a: Reference, b: Reference) -> Branches:
    """All bytes of two values of one type, but for padding."""
    if a.base is b.base and a.offset == b.offset:
        return compare.decided(f, True)
    align = min(aligned_to(a), aligned_to(b))
    pieces = [piece for at, size in runs(a.type) for piece in access.words(size, align, at)]
    return _all(f, ((_load(f, a, *one), _load(f, b, *one)) for one in pieces))


def _load(f: Translation, one: Reference, at: int, width: int) -> Register:
    return f.load(one.base, 8 * width, one.offset + at)


def _text(f: Translation, a: Reference, data: bytes, node: ast.expr) -> Branches:
    """An array of bytes and a constant: texts compare up to the first NUL, others whole."""
    kind, text = a.type, access.is_text(a.type)
    if never_equal(a, data):
        why = f"{kind.__name__} never holds the text {data!r:.40}" if text else f"it has {octets(len(data))}"
        f.warn("W130", f"`{f.quoted(node)}` compares {kind.__name__} with what it is never equal to", node, why=why)
        return compare.decided(f, False)
    return begins(f, a, data + b"\0" if text and len(data) < kind.sizeof else data)


def never_equal(a: Reference, data: bytes) -> bool:
    """Whether no array of the type is equal to a constant."""
    if not is_bytes(a.type):
        return False
    return len(data) > a.type.sizeof or b"\0" in data if access.is_text(a.type) else len(data) != a.type.sizeof


def begins(f: Translation, a: Reference, data: bytes) -> Branches:
    """Branch on whether the first bytes of an array are `data`."""
    if len(data) > size_of(a.type):
        return compare.decided(f, False)
    pieces = access.words(len(data), aligned_to(a))
    return _all(f, ((_load(f, a, at, width), _word(f, data[at : at + width])) for at, width in pieces))


def _word(f: Translation, data: bytes) -> Register:
    return f.number(int.from_bytes(data, "little"))


def _all(f: Translation, pairs: Iterable[tuple[Register, Register]]) -> Branches:
    """Branch on whether the words of all pairs are equal: once, because each branch doubles what the kernel's verifier
    walks."""
    words = list(pairs)
    if not words:
        return compare.decided(f, True)
    left, right = words[0]
    if len(words) > 1:
        left, right = f.op("xor", left, right), f.number(0)
        for one, other in words[1:]:
            left = f.op("or", left, f.op("xor", one, other))
    same, different = f.split("eq", left, right)
    return [same], [different]
