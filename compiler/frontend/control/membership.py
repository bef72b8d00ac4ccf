"""`in` and `not in`: a value among the items of a tuple, in a range, or in an object that is known.

CPython asks `x is item or x == item` from the first item on; of numbers that is `==`. Nothing is called, so the order
of the tests makes no difference, and runs of neighbouring constants are tested as one interval.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.memory import fields, items
from bpfvm.compiler.frontend.memory import place as places
from bpfvm.compiler.frontend.memory.access import constant_bytes, get_word, is_text
from bpfvm.compiler.frontend.memory.equal import never_equal
from bpfvm.compiler.frontend.names import bindings, constants
from bpfvm.compiler.frontend.names.constants import NotConstant, object_of
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand, compare, decided, ordered, truth, unknown
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    INT,
    Bad,
    Kind,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Range,
    Reference,
    Static,
    Tuple,
    Value,
    constant,
)
from bpfvm.lang.types.arrays import ArrayType, is_bytes
from bpfvm.lang.types.interval import Interval, of_bits

_MOST_TESTS = 256  # comparisons that one `in` may become
# CPython walks through a range item by item for a number that is not exactly an int or a bool
_WALKED = 1 << 16
_LEAST_RUN = 3  # neighbouring constants that are tested as an interval
_EQUAL, _LESS, _GREATER = COMPARISONS[ast.Eq], COMPARISONS[ast.Lt], COMPARISONS[ast.Gt]


def contains(f: Translation, node: ast.expr, left: Operand, right: Operand) -> Branches:
    """The ends where `left in right` holds, and those where it does not."""
    wanted, place = left
    within = right[0]
    if isinstance(wanted, Bad) or isinstance(within, Bad):
        return unknown(f)
    if isinstance(within, Reference):
        return _in_memory(f, node, left, (within, right[1]))
    if isinstance(within, Tuple):
        return _among(f, left, within.items, right[1])
    if isinstance(within, Range):
        return _in_range(f, left, within, right[1])
    if isinstance(within, Static) and isinstance(within.object, bytes | bytearray) and isinstance(wanted, Number):
        return _in_bytes(f, node, left, within.object)
    if isinstance(within, Static):
        return _in_object(f, node, left, (within, right[1]))
    f.error(
        "E022",
        f"`in` looks into tuples, ranges and constants, and `{f.quoted(right[1])}` is {within.described}",
        right[1],
        help=f"{f.quoted(place)} in (1, 2, 3)",
    )
    return unknown(f)


def _in_memory(f: Translation, node: ast.expr, left: Operand, right: tuple[Reference, ast.expr]) -> Branches:
    """In an array, whose items are read one after the other, or in what defines `__contains__`."""
    owner, place = right
    method = fields.user_method(owner, "__contains__")
    if method is not None:
        return truth(f, fields.operator(f, node, method, [owner, left[0]]), node)
    kind = owner.type
    if not isinstance(kind, ArrayType) or kind.__length__ > _MOST_TESTS:
        text = f"`in` looks into arrays of up to {_MOST_TESTS} items, and `{f.quoted(place)}` is {owner.described}"
        f.error("E022", text, place, help="define __contains__ in its class, or write a loop")
        return unknown(f)
    if is_bytes(kind) and isinstance(left[0], Static) and constant_bytes(left[0]) is not None:
        _no_search(f, (left[0], left[1]), place)
        return unknown(f)
    holds: list[End] = []
    for at in range(kind.__length__):
        item = places.read(f, items.element(f, owner, kind.__element__, constant(at), ""))
        more, fails = compare(f, _comparison(node), ast.Eq(), (item, place), left)
        holds += more
        flow.enter(f, fails)
    return holds, [f.end()]


def _no_search(f: Translation, left: tuple[Static, ast.expr], place: ast.expr) -> None:
    """E022 of a text that is looked for in bytes."""
    data, text, within = constant_bytes(left[0]) or b"", f.quoted(left[1]), f.quoted(place)
    if len(data) == 1:
        help = f"{f'ord({text})' if isinstance(left[0].object, str) else f'{text}[0]'} in {within}"
    else:
        help = f"at the start: {within}.startswith({data!r})\nin a loop: {within}[i:i + {len(data)}] == {data!r}"
    f.error(
        "E022",
        f"`in` looks for one byte of `{within}`, and `{text}` is {left[0].described}",
        left[1],
        why="CPython compares it with one element after the other, all of them numbers",
        help=help,
    )


def _equal_to_one(f: Translation, left: Operand, values: Sequence[Value], place: ast.expr) -> Branches:
    """A struct, an array or a text in memory, among constants; bytes that fit a word are read once."""
    word = _word(f, left[0], values)
    if word is not None:
        items = [constant(int.from_bytes(constant_bytes(one) or b"", "little")) for one in values]
        return _among(f, (word, left[1]), items, place)
    holds: list[End] = []
    fails: list[End] = [f.end()]
    for one in values:
        flow.enter(f, fails)
        if not f.reachable:
            break
        data = constant_bytes(one)
        if isinstance(left[0], Reference) and data is not None and never_equal(left[0], data):
            more, fails = decided(f, False)
        else:
            more, fails = compare(f, _comparison(place), ast.Eq(), left, (one, place))
        holds += more
    return holds, fails


def _word(f: Translation, one: Value, values: Sequence[Value]) -> Number | None:
    """Bytes as a number, where all of `values` are as many; None for anything else."""
    if not isinstance(one, Reference) or not is_bytes(one.type) or is_text(one.type):
        return None
    size = one.type.sizeof
    data = [one.object if isinstance(one, Static) else None for one in values]
    if size not in (1, 2, 4, 8) or not all(isinstance(part, bytes) and len(part) == size for part in data):
        return None
    range = of_bits(8 * size, signed=False)
    return Number(INT, range, f.typed(range, get_word(f, one, size)))


def _comparison(node: ast.expr) -> ast.Compare:
    """A node for messages about one of the comparisons."""
    return ast.copy_location(ast.Compare(node, [], []), node)


def _in_object(f: Translation, node: ast.expr, left: Operand, right: tuple[Static, ast.expr]) -> Branches:
    """In a str, list, set, dict or any other object that is known."""
    found = right[0].object
    try:
        wanted = object_of(left[0])
    except NotConstant:
        if not isinstance(found, list | tuple | set | frozenset | dict):
            text = f"`in` looks into tuples, ranges and constants, and `{f.quoted(right[1])}` is {right[0].described}"
            f.error("E022", text, right[1], help=f"{f.quoted(left[1])} in (1, 2, 3)")
            return unknown(f)
        values = bindings.items(f, found, right[1])
        return _among(f, left, values, right[1]) if values is not None else unknown(f)
    outcome = constants.computed(f, node, lambda: wanted in found)
    return decided(f, bool(outcome.constant)) if isinstance(outcome, Number) else unknown(f)


def _among(f: Translation, left: Operand, items: Sequence[Value], place: ast.expr) -> Branches:
    wanted = left[0]
    if isinstance(wanted, Reference):
        return _equal_to_one(f, left, items, place)
    if isinstance(wanted, Maybe | Nullable):
        f.may_be_none(left[1], wanted)
        return unknown(f)
    if not isinstance(wanted, Number):
        return _same(f, left, items, place)
    if not f.exact(wanted, left[1]):
        return unknown(f)
    numbers = [
        (one, node) for one, node in zip(items, _nodes(place, len(items)), strict=True) if isinstance(one, Number)
    ]
    known = sorted({one.constant for one, _ in numbers if one.constant is not None})
    others = [(one, node) for one, node in numbers if one.constant is None]
    runs = _runs(known)
    if len(runs) + len(others) > _MOST_TESTS:
        f.error(
            "E063",
            f"`in` makes up to {_MOST_TESTS} comparisons in this version, and this one needs {len(runs) + len(others)}",
            place,
            help="keep the items in a map",
        )
        return unknown(f)
    holds: list[End] = []
    fails: list[End] = [f.end()]
    for lo, hi in runs:
        flow.enter(f, fails)
        more, fails = _between(f, wanted, constant(lo), constant(hi))
        holds += more
        if not fails:
            return holds, []
    for one, node in others:
        flow.enter(f, fails)
        if not f.exact(one, node):
            fails = [f.end()]
            continue
        more, fails = ordered(f, _EQUAL, f.state.known(wanted), f.state.known(one))
        holds += more
        if not fails:
            break
    return holds, fails


def _nodes(place: ast.expr, count: int) -> Sequence[ast.expr]:
    """Where each of the items stands; `place` for items that are not written one by one."""
    parts = place.elts if isinstance(place, ast.Tuple | ast.List | ast.Set) else ()
    return parts if len(parts) == count else [place] * count


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of the neighbours in sorted numbers; runs shorter than _LEAST_RUN one by one."""
    runs: list[list[int]] = []
    for one in values:
        if runs and runs[-1][-1] == one - 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    found = []
    for run in runs:
        found += [(run[0], run[-1])] if len(run) >= _LEAST_RUN else [(one, one) for one in run]
    return found


def _between(f: Translation, number: Number, lo: Number, hi: Number) -> Branches:
    """lo <= number <= hi, both known."""
    if lo.constant == hi.constant:
        return ordered(f, _EQUAL, f.state.known(number), lo)
    inside, below = ordered(f, COMPARISONS[ast.GtE], f.state.known(number), lo)
    if not inside:
        return [], below
    flow.enter(f, inside)
    holds, above = ordered(f, COMPARISONS[ast.LtE], f.state.known(number), hi)
    return holds, [*below, *above]


def _same(f: Translation, left: Operand, items: Sequence[Value], place: ast.expr) -> Branches:
    """A value that is no number, among items: both must be known."""
    wanted = left[0]
    if isinstance(wanted, Nothing) and all(isinstance(one, Number | Nothing | Static | Tuple) for one in items):
        return decided(f, any(isinstance(one, Nothing) for one in items))
    try:
        sought = object_of(wanted)
        known = [object_of(one) for one in items if not isinstance(one, Number) or one.constant is not None]
    except NotConstant:
        text = f"`in` compares numbers and constants, and `{f.quoted(left[1])}` is {wanted.described}"
        f.error("E022", text, left[1], help="compare its parts, one by one")
        return unknown(f)
    outcome = constants.computed(f, place, lambda: sought in known)
    return decided(f, bool(outcome.constant)) if isinstance(outcome, Number) else unknown(f)


def _in_range(f: Translation, left: Operand, items: Range, place: ast.expr) -> Branches:
    number, node = left
    if isinstance(number, Maybe | Nullable):
        f.may_be_none(node, number)
        return unknown(f)
    if not isinstance(number, Number):
        return decided(f, False)  # CPython compares with every number: never equal
    if not f.exact(number, node):
        return unknown(f)
    span = items.stop.range.hi - items.start.range.lo if items.step > 0 else items.start.range.hi - items.stop.range.lo
    if number.kinds - {Kind.INT, Kind.BOOL} and span > _WALKED:
        f.error(
            "E022",
            f"`{f.quoted(node)}` is {number.described}, for which CPython walks through the whole range",
            node,
            why="only for a plain int it compares with the ends",
            help=f"int({f.quoted(node)}) in {f.quoted(place)}",
        )
        return unknown(f)
    up = items.step > 0
    first, last = (COMPARISONS[ast.GtE], _LESS) if up else (COMPARISONS[ast.LtE], _GREATER)
    after, before = ordered(f, first, f.state.known(number), f.state.known(items.start))
    if not after:
        return [], before
    flow.enter(f, after)
    inside, past = ordered(f, last, f.state.known(number), f.state.known(items.stop))
    outside = [*before, *past]
    if not inside or abs(items.step) == 1:
        return inside, outside
    flow.enter(f, inside)
    holds, between = _on_step(f, f.state.known(number).as_kinds(INT), items, node)
    return holds, [*outside, *between]


def _on_step(f: Translation, number: Number, items: Range, node: ast.expr) -> Branches:
    """Whether a number between the ends is one of the range's."""
    start = f.state.known(items.start).as_kinds(INT)
    one, other = (number, start) if items.step > 0 else (start, number)
    away = arith.binary(f, node, ast.Sub(), (one, node), (other, node))
    if not isinstance(away, Number):
        return unknown(f)
    # it lies between the ends, so that the difference is not negative, and smaller than 2**64
    away = Number(INT, Interval(max(away.range.lo, 0), max(away.range.hi, 0)), away.register)
    if not f.exact(away, node):
        return unknown(f)
    rest = arith.binary(f, node, ast.Mod(), (away, node), (constant(abs(items.step)), node))
    return ordered(f, _EQUAL, rest, constant(0)) if isinstance(rest, Number) else unknown(f)


def _in_bytes(f: Translation, node: ast.expr, left: Operand, data: bytes | bytearray) -> Branches:
    """A number among bytes: CPython raises ValueError where it is no byte."""
    number, place = left
    assert isinstance(number, Number)
    if not f.exact(number, place):
        return unknown(f)
    byte = Interval(0, 255)
    for test, bound in (("lt", byte.lo), ("gt", byte.hi)):
        number = f.state.known(number)
        if (test == "lt" and number.range.lo < bound) or (test == "gt" and number.range.hi > bound):
            wrong, fine = ordered(f, _LESS if test == "lt" else _GREATER, number, constant(bound))
            flow.enter(f, wrong)
            before = f.end() if f.reachable else None
            if before is not None:
                f.fault("ValueError", "byte must be in range(0, 256)", node)
            if before is not None and not fine:  # it is never one
                f.never(before)
                return unknown(f)
            flow.enter(f, fine)
    values = [constant(one) for one in dict.fromkeys(data)]
    return _among(f, (f.state.known(number), place), values, place)
