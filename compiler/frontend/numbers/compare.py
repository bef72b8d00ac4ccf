"""Comparisons and truth: where control goes, and what each way knows of the operands from then on."""

from __future__ import annotations

import ast
import enum
import types
from typing import TypeAlias

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.names import constants
from bpfvm.compiler.frontend.numbers import addresses
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS, Comparison, Pair
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    Bad,
    Kind,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    Static,
    Tuple,
    Value,
    View,
)
from bpfvm.core.bits import S64_MAX
from bpfvm.lang.packets.headers import DATA
from bpfvm.lang.types.interval import Interval

# The ends at which a condition holds, and those at which it does not.
Branches: TypeAlias = tuple[list[End], list[End]]
Operand: TypeAlias = tuple[Value, ast.expr]
Known: TypeAlias = tuple[Number, ast.expr]

_ZERO, _ONE = Interval(0, 0), Interval(1, 1)


def truth(f: Translation, value: Value, node: ast.expr) -> Branches:
    """Branch on `bool(value)`."""
    from bpfvm.compiler.frontend import protocols

    of_ours = protocols.of(value).truth
    if of_ours is not None:
        return of_ours(f, value, node)
    match value:
        case Bad():
            return unknown(f)
        case Reference():
            return _of_reference(f, value, node)
        case Nullable():
            return _of_nullable(f, value, node)
        case Number():
            return _nonzero(f, f.state.known(value), node)
        case Nothing():
            return decided(f, False)
        case Maybe():
            return _some(f, value, node)
        case Tuple():
            return decided(f, bool(value.items))
        case Static(truth=None):
            f.error(
                "E063",
                f"`{f.quoted(node)}` is {value.described}, which is not tested in this version",
                node,
                help="bind its truth to a global name: ENABLED = bool(...)",
            )
            return unknown(f)
        case Static(truth=outcome):
            return decided(f, bool(outcome))
    return decided(f, True)


def _of_reference(f: Translation, value: Reference, node: ast.expr) -> Branches:
    """A struct or an array is true, unless its class says otherwise."""
    from bpfvm.compiler.frontend.memory import fields

    for name in ("__bool__", "__len__"):
        method = fields.user_method(value, name)
        if method is not None:
            return truth(f, fields.operator(f, node, method, [value]), node)
    return decided(f, True)


def is_there(f: Translation, value: Nullable) -> Branches:
    """Branch on whether there is a value in memory: the very test that the kernel's verifier wants."""
    there, none = f.split("ne", f.presence.get(value.at.base, value.at.base), f.number(0))
    there.state.facts[value.origin], none.state.facts[value.origin] = _ONE, _ZERO
    record = f.records.get(value.at.base) if value.at.space in ("ring", "socket") else None
    none.state.held = tuple(one for one in none.state.held if one is not record)
    return [there], [none]


def _of_nullable(f: Translation, value: Nullable, node: ast.expr) -> Branches:
    """Where there is a value, its truth."""
    there, none = is_there(f, value)
    flow.enter(f, there)
    holds, fails = _of_reference(f, value.at, node)
    return holds, [*none, *fails]


def _some(f: Translation, value: Maybe, node: ast.expr) -> Branches:
    """A number that is not 0, or a pointer that is not null, where there is one."""
    there, none = truth(f, f.state.known(value.there), node)
    number = value.number
    flow.enter(f, there)
    if value.pointer is not None:
        holds, null = truth(f, value.found(number), node)
        return holds, [*none, *null]
    if 0 in f.state.known(number).range:
        f.warn(
            "W111",
            f"`{f.quoted(node)}` is false where it is None, and where it is 0",
            node,
            help=f"did you mean: {f.quoted(node)} is not None",
            notes=f.come_from(value),
        )
    holds, zero = _nonzero(f, f.state.known(number), node)
    return holds, [*none, *zero]


def _nonzero(f: Translation, number: Number, node: ast.expr) -> Branches:
    if 0 not in number.range:
        return decided(f, True)
    if number.constant == 0:
        return decided(f, False)
    if not f.exact(number, node):
        return unknown(f)
    holds, fails = f.split("ne", f.register(number), f.number(0))
    lo, hi = number.range.lo, number.range.hi
    holds.state.learn(number, Interval(lo + (lo == 0), hi - (hi == 0)))
    fails.state.learn(number, _ZERO)
    return [holds], [fails]


def compare(f: Translation, node: ast.Compare, op: ast.cmpop, left: Operand, right: Operand) -> Branches:
    """Branch on `left op right`."""
    a, b = left[0], right[0]
    if isinstance(a, Bad) or isinstance(b, Bad):
        return unknown(f)
    if isinstance(op, ast.Is | ast.IsNot):
        return _identity(f, isinstance(op, ast.Is), left, right)
    for value, place in (left, right):
        if isinstance(value, Nullable) or (isinstance(value, Maybe) and value.pointer is not None):
            f.may_be_none(place, value)
            return unknown(f)
    if isinstance(a, Pointer) or isinstance(b, Pointer):
        from bpfvm.compiler.frontend.pointers import reads

        return reads.equal(f, node, op, left, right)
    special = _of_values(f, node, op, left, right)
    if special is not None:
        return special
    comparison = COMPARISONS.get(type(op))
    assert comparison is not None, "`in` is membership.contains"
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        return optional(f, comparison, left, right)
    if not (isinstance(a, Number) and isinstance(b, Number)):
        computed = constants.operation(f, node, op, a, b)
        if computed is not None:
            return truth(f, computed, node)
    for value, place in (left, right):
        if not isinstance(value, Number):
            f.error(
                "E022",
                f"`{comparison.symbol}` compares numbers, and `{f.quoted(place)}` is {value.described}",
                place,
                help=_in_place_of(f, value, place),
            )
            return unknown(f)
    assert isinstance(a, Number)
    assert isinstance(b, Number)
    return _values(f, comparison, (f.state.known(a), left[1]), (f.state.known(b), right[1]))


def _in_place_of(f: Translation, value: Value, place: ast.expr) -> str:
    """What to compare in place of an operand that is no number."""
    if isinstance(value, Nothing):
        return "test it with `is None`"
    if isinstance(value, View) and value.header.name == DATA:
        return f'compare bytes of it: {f.quoted(place)}[0:4] == b"..."'
    if not isinstance(value, Static):
        return "compare its fields"
    letter = value.object
    if isinstance(letter, str | bytes) and len(letter) == 1:
        return (
            f"compare its number: {f'ord({f.quoted(place)})' if isinstance(letter, str) else f'{f.quoted(place)}[0]'}"
        )
    number = addresses.number(f, value, place)
    return f"compare its number: {number}" if number else "compare with a number"


def _of_values(f: Translation, node: ast.Compare, op: ast.cmpop, left: Operand, right: Operand) -> Branches | None:
    """A comparison that a class of the user's defines, or one of bytes. None for any other."""
    from bpfvm.compiler.frontend.memory import equal, fields

    names = _METHODS[type(op)]
    for name, owner, other in ((names[0], left[0], right[0]), (names[1], right[0], left[0])):
        method = fields.user_method(owner, name)
        if method is not None:
            holds, fails = truth(f, fields.operator(f, node, method, [owner, other]), node)
            return (fails, holds) if isinstance(op, ast.NotEq) else (holds, fails)
    in_memory = isinstance(left[0], Reference) or isinstance(right[0], Reference)
    return equal.equal(f, node, op, left, right) if in_memory and isinstance(op, ast.Eq | ast.NotEq) else None


# Which method of the left operand CPython asks, and then which of the right one.
_METHODS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("__eq__", "__eq__"), ast.NotEq: ("__eq__", "__eq__"), ast.Lt: ("__lt__", "__gt__"),
    ast.LtE: ("__le__", "__ge__"), ast.Gt: ("__gt__", "__lt__"), ast.GtE: ("__ge__", "__le__"),
}  # fmt: skip


def optional(f: Translation, comparison: Comparison, left: Operand, right: Operand) -> Branches:
    """A comparison of what may be None: `==` and `!=` have an answer for None, the others raise TypeError."""
    (maybe, place), (other, _) = (left, right) if isinstance(left[0], Maybe) else (right, left)
    assert isinstance(maybe, Maybe)
    if comparison.jump not in ("eq", "ne") or not isinstance(other, Number):
        f.may_be_none(place, maybe)
        return unknown(f)
    there, none = truth(f, f.state.known(maybe.there), place)
    flow.enter(f, there)
    if not (f.exact(maybe.number, place) and f.exact(other, left[1])):
        return unknown(f)
    holds, fails = ordered(f, comparison, f.state.known(maybe.number), f.state.known(other))
    return (holds, [*fails, *none]) if comparison.jump == "eq" else ([*holds, *none], fails)


def _values(f: Translation, comparison: Comparison, left: Known, right: Known) -> Branches:
    (a, a_node), (b, b_node) = left, right
    outcome = _outcome(comparison, a, b)
    if outcome is not None:
        if a.constant is None or b.constant is None:
            text = f"`{f.quoted(a_node)} {comparison.symbol} {f.quoted(b_node)}` is always {outcome}"
            why = f"the left side {f.lies(a.range)}, the right side {f.lies(b.range)}"
            f.warn("W130", text, f.between(a_node, b_node), why=why)
        return decided(f, outcome)
    if not (f.exact(a, a_node) and f.exact(b, b_node)):
        return unknown(f)
    return ordered(f, comparison, a, b)


def _outcome(comparison: Comparison, a: Number, b: Number) -> bool | None:
    """What the intervals alone say of a comparison."""
    if comparison.holds(a.range, b.range) is None:
        return False
    return True if COMPARISONS[comparison.inverse].holds(a.range, b.range) is None else None


def ordered(f: Translation, comparison: Comparison, a: Number, b: Number) -> Branches:
    """Branch on two exact numbers, without a word where their intervals decide."""
    outcome = _outcome(comparison, a, b)
    if outcome is not None:
        return decided(f, outcome)
    holds, fails = _emit(f, comparison.jump, a, b)
    for ends, test in ((holds, comparison), (fails, COMPARISONS[comparison.inverse])):
        pair = test.holds(a.range, b.range)
        for end in ends:
            assert pair is not None, "a test that may go this way leaves values on it"
            _learn(end, a, b, pair)
    return holds, fails


def _learn(end: End, a: Number, b: Number, pair: Pair) -> None:
    end.state.learn(a, pair[0])
    end.state.learn(b, pair[1])


def _emit(f: Translation, jump: str, a: Number, b: Number) -> Branches:
    """One test, or two where one side may be negative and the other past every signed number."""
    if a.range.lo < 0 and b.range.hi > S64_MAX:
        return _across(f, jump, a, b, a, jump in ("lt", "le", "ne"))
    if b.range.lo < 0 and a.range.hi > S64_MAX:
        return _across(f, jump, a, b, b, jump in ("gt", "ge", "ne"))
    signed = a.range.lo < 0 or b.range.lo < 0
    holds, fails = f.split(_test(jump, signed), f.register(a), f.register(b))
    return [holds], [fails]


def _across(f: Translation, jump: str, a: Number, b: Number, negative: Number, outcome: bool) -> Branches:
    """`outcome` where the operand that may be negative is so, else an unsigned test: values compare, not bits."""
    below, above = f.split("slt", f.register(negative), f.number(0))
    f.resume(above)
    holds, fails = f.split(_test(jump, signed=False), f.register(a), f.register(b))
    return ([below, holds], [fails]) if outcome else ([holds], [below, fails])


def _test(jump: str, signed: bool) -> str:
    return jump if jump in ("eq", "ne") else ("s" if signed else "u") + jump


def _identity(f: Translation, wanted: bool, left: Operand, right: Operand) -> Branches:
    """`is` and `is not`: with None, True and False alone, whose identity is their value."""
    for (value, _), other in ((left, right), (right, left)):
        if isinstance(value, Nothing) and isinstance(other[0], Maybe):
            there, none = truth(f, f.state.known(other[0].there), other[1])
            return (none, there) if wanted else (there, none)
        if isinstance(value, Nothing) and isinstance(other[0], Nullable):
            there, none = is_there(f, other[0])
            return (none, there) if wanted else (there, none)
        if isinstance(value, Nothing):
            return decided(f, isinstance(other[0], Nothing) is wanted)
        if isinstance(value, Number) and value.kinds == BOOLEAN and value.constant is not None:
            return _is_bool(f, wanted, value.constant, other)
    objects = [_object(value) for value, _ in (left, right)]
    if None not in objects:
        return decided(f, (objects[0] is objects[1]) is wanted)
    f.error(
        "E044",
        "`is` compares identities, and only None, True and False have one here",
        right[1],
        help=f"compare values: {f.operand(left[1])} == {f.operand(right[1])}",
    )
    return unknown(f)


def _object(value: Value) -> object | None:
    """The one object that the value is wherever it comes from: a type, a module, a function, an enum's member."""
    match value:
        case Number(member=member) if member is not None:
            return member
        case Static(object=types.ModuleType() | types.FunctionType() | type() | enum.Enum() as found):
            return found
    return None


def _is_bool(f: Translation, wanted: bool, truth_value: int, other: Operand) -> Branches:
    value, node = other
    if isinstance(value, Maybe):
        there, none = truth(f, f.state.known(value.there), node)
        flow.enter(f, there)
        same, other_one = _is_bool(f, wanted, truth_value, (f.state.known(value.number), node))
        return (same, [*other_one, *none]) if wanted else ([*same, *none], other_one)
    if not isinstance(value, Number) or Kind.BOOL not in value.kinds:
        return decided(f, not wanted)
    if value.kinds != BOOLEAN:
        f.error(
            "E044",
            f"`is` on a value that is {value.described}: its identity depends on the path",
            node,
            help=f"compare values: {f.operand(node)} == {bool(truth_value)}",
        )
        return unknown(f)
    true, false = truth(f, value, node)
    return (true, false) if bool(truth_value) is wanted else (false, true)


def decided(f: Translation, outcome: bool) -> Branches:
    """Where the outcome is known."""
    return ([f.end()], []) if outcome else ([], [f.end()])


def unknown(f: Translation) -> Branches:
    """After an error: both ways are looked at, for their own errors."""
    holds, fails = f.split("ne", f.number(0), f.number(0))
    return [holds], [fails]
