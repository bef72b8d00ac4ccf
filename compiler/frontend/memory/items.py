"""Items of arrays: `a[i]`, `a[i:i + 4]`. An index is tested unless it is known to lie in the array."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.names.scope import Unknown
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Bad, Number, Reference, Value
from bpfvm.lang.types.arrays import ArrayType, array_of
from bpfvm.lang.types.interval import Interval, add
from bpfvm.lang.types.layout import Element, size_of

_STRIDES = {1 << shift: shift for shift in range(17)}  # sizes of elements by which a shift multiplies


def item(f: Translation, owner: Reference, index: Value, node: ast.Subscript) -> Place | None:
    """The element `owner[index]`. None after an error."""
    kind = owner.type
    if isinstance(index, Bad) or not isinstance(kind, ArrayType):
        if not isinstance(index, Bad):
            f.error("E022", f"`{f.quoted(node.value)}` is {owner.described}, which has no items", node.value,
                    help="name a field of it")  # fmt: skip
        return None
    if not isinstance(index, Number):
        f.error("E022", f"an array takes a number as its index, `{f.quoted(node.slice)}` is {index.described}",
                node.slice, help=f"{f.operand(node.value)}[i], with i from 0 to {kind.__length__ - 1}")  # fmt: skip
        return None
    known = f.state.known(index)
    if not f.exact(known, node.slice):
        return None
    found = inside(f, known, (kind.__length__, 1), node, kind.__name__)
    return element(f, owner, kind.__element__, found, f"an element of {kind.__name__}")


def element(f: Translation, owner: Reference, kind: Element, index: Number, what: str) -> Place:
    """The place of an element whose index is known to lie in the array."""
    step = size_of(kind)
    if index.constant is not None:
        return Place(replace(owner, offset=owner.offset + index.constant * step), kind, what)
    register = f.register(index)
    if step in _STRIDES:
        distance = f.op("shl", register, f.number(_STRIDES[step])) if step > 1 else register
    else:
        distance = f.op("mul", register, f.number(step))
    align = min(owner.align, step & -step)
    base = f.behind(owner.base, distance)
    if owner.space == "packet":
        window.again(f, owner.base, base, owner.offset + step)
    return Place(replace(owner, base=base, align=align), kind, what)


def inside(f: Translation, index: Number, part: tuple[int, int], node: ast.AST, what: str) -> Number:
    """An index behind the tests that what it names lies in an array; counted from its start.

    part: the array's length, and how many elements are named. what: the array, for messages.
    """
    length, count = part
    last = length - count
    constant = index.constant
    message = f"index {constant} is outside of {what}" if constant is not None and count == 1 else (
        f"the index is outside of {what}" if count == 1 else f"the slice is not inside of {what}"
    )  # fmt: skip
    if index.range.lo < 0:
        index = _from_the_start(f, index, length, count, message, node)
    fitting = Interval(0, last)
    if index.constant is not None and index.constant in fitting:
        return index
    if not index.range.within(fitting) or not f.facts.range(f.register(index)).within(fitting):
        f.fault_if("ugt", f.register(index), f.number(last), "IndexError", message, node)
        f.state.learn(index, fitting)
    return f.state.known(index)


def _from_the_start(f: Translation, index: Number, length: int, count: int, message: str, node: ast.AST) -> Number:
    """A negative index counts from the end. The last of `count` elements must do so as well."""
    constant = index.constant
    if constant is not None:
        return f.constant(constant + length) if constant < 0 else index
    above: list[End] = []
    if index.range.hi >= 0:
        below, other = f.split("slt", f.register(index), f.number(0))
        above = [other]
        f.resume(below)
    negative = index.within(Interval(index.range.lo, -1))
    if count > 1 and negative.range.hi > -1 - count:
        f.fault_if("sgt", f.register(negative), f.number(-1 - count), "IndexError", message, node)
        negative = negative.within(Interval(min(negative.range.lo, -1 - count), -1 - count))
    range = add(negative.range, Interval(length, length))
    moved = Number(index.kinds, range, f.typed(range, f.op("add", f.register(negative), f.number(length))))
    ends: list[End] = [f.end(), *above]
    results: list[Value] = [moved, *(index.within(Interval(0, index.range.hi)) for _ in above)]
    assert isinstance(node, ast.expr), "an index is part of an expression"
    joined = flow.join_values(f, ends, results, node)
    assert isinstance(joined, Number), "numbers join to a number"
    return joined


@dataclass(frozen=True, slots=True)
class Span:
    """The bounds of a slice as they were evaluated, None for one that is left out."""

    start: Value | None
    stop: Value | None


def span(f: Translation, owner: Reference, bounds: Span, node: ast.Subscript) -> Reference | None:
    """The slice `owner[start:stop]`, a view. None after an error."""
    kind, where = owner.type, node.slice
    assert isinstance(where, ast.Slice), "a slice has bounds"
    if isinstance(bounds.start, Bad) or isinstance(bounds.stop, Bad):
        return None
    if not isinstance(kind, ArrayType):
        f.error("E022", f"`{f.quoted(node.value)}` is {owner.described}, which has no slices", node.value,
                help="slices are those of arrays")  # fmt: skip
        return None
    start, stop = (_bound(f, one, default) for one, default in ((bounds.start, 0), (bounds.stop, kind.__length__)))
    if start is None or stop is None or where.step is not None:
        f.error("E022", f"the bounds of a slice are numbers, and it has no step: `{f.quoted(node)}`", where,
                help=f"{f.operand(node.value)}[i:i + 4]")  # fmt: skip
        return None
    length = _length(f, start, stop, where, kind.__length__)
    if length is None:
        f.error(
            "E022",
            f"the length of the slice `{f.quoted(node)}` is not constant",
            where,
            why="a slice is as long as its type says, whatever its bounds are when it runs",
            help=f"start it and end it by one index: {f.operand(node.value)}[i:i + 4]",
        )
        return None
    return _sliced(f, owner, kind, (start, length), node)


def _sliced(
    f: Translation, owner: Reference, kind: ArrayType, part: tuple[Number, int], node: ast.Subscript
) -> Reference | None:  # fmt: skip
    start, length = part
    where = node.slice.lower if isinstance(node.slice, ast.Slice) and node.slice.lower is not None else node.slice
    if not f.exact(start, where):
        return None
    if not 0 < length <= kind.__length__:
        f.fault_if("eq", f.number(0), f.number(0), "IndexError", f"the slice is not inside of {kind.__name__}", node)
        start, length = f.constant(0), 1
    found = inside(f, start, (kind.__length__, length), node, kind.__name__)
    first = element(f, owner, kind.__element__, found, "")
    return replace(first.at, type=array_of(kind.__element__, length), fixed=True)


def _bound(f: Translation, given: Value | None, default: int) -> Number | None:
    if given is None:
        return f.constant(default)
    return f.state.known(given) if isinstance(given, Number) else None


def length(f: Translation, start: Value, stop: Value | None, node: ast.Slice) -> int | None:
    """How many items a slice of something without an end of its own has, where that is one number always."""
    if not (isinstance(start, Number) and isinstance(stop, Number)):
        return None
    return _length(f, f.state.known(start), f.state.known(stop), node, 0)


def _length(f: Translation, start: Number, stop: Number, node: ast.Slice, whole: int) -> int | None:
    """How many elements a slice has, where that is one number always."""
    if start.constant is not None and stop.constant is not None:
        ends = [one + whole if one < 0 else one for one in (start.constant, stop.constant)]
        return ends[1] - ends[0]
    if node.lower is None or node.upper is None:
        return None
    first, last = _split(f, node.lower), _split(f, node.upper)
    return last[1] - first[1] if first[0] == last[0] else None


def _split(f: Translation, node: ast.expr) -> tuple[str, int]:
    """An expression as text plus a number."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        sign = -1 if isinstance(node.op, ast.Sub) else 1
        right = _known(f, node.right)
        if right is not None:
            text, number = _split(f, node.left)
            return text, number + sign * right
        left = _known(f, node.left) if sign > 0 else None
        if left is not None:
            text, number = _split(f, node.right)
            return text, number + left
    plain = not any(isinstance(one, ast.Call | ast.NamedExpr) for one in ast.walk(node))
    return (ast.dump(node), 0) if plain else (f"{id(node)}", 0)


def _known(f: Translation, node: ast.expr) -> int | None:
    """The number of a constant, or of a name that stands for one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if not isinstance(node, ast.Name):
        return None
    if node.id not in f.scope.local:
        try:
            found = f.scope.lookup(node.id)
        except Unknown:
            return None
        return int(found) if isinstance(found, int) else None
    bound = f.state.names.get(f.frame.own(node.id))
    return f.state.known(bound).constant if isinstance(bound, Number) else None
