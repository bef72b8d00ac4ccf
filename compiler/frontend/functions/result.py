"""How a program begins and ends: its parameters taken from the context, its result given as the hook says."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.control import flow, held
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.cast import cast
from bpfvm.compiler.frontend.pointers import context
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    INT,
    MODULAR,
    NOTHING,
    Bad,
    ContextValue,
    Maybe,
    Nothing,
    Number,
    Pointer,
    Static,
    Value,
)
from bpfvm.core.articles import an
from bpfvm.core.span import Span
from bpfvm.lang.functions.signature import RESULT_OFFSET, Scalar, Signature, argument_offset
from bpfvm.lang.types.interval import BOOL, Interval, of_bits
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, u16, u32, u64

_WORD = 64
_UNSIGNED = {one.bits: one for one in (u16, u32, u64)}  # what a number of a big-endian type is
_R0 = of_bits(32, signed=False)  # the kernel reads the low 32 bits of r0


def bind_context(f: Translation, parameter: str | None) -> None:
    """The parameter of a program with a context structure."""
    if parameter is not None:
        f.state.names[parameter] = ContextValue()


def bind_scalars(f: Translation, signature: Signature, used: frozenset[str]) -> None:
    """The parameters of a function of scalars that its body names, loaded from the context."""
    for place, (name, scalar) in enumerate(signature.params):
        if name in used:
            f.state.names[name] = _argument(f, scalar, argument_offset(place))


def _argument(f: Translation, scalar: Scalar, offset: int) -> Number | Pointer:
    """What Scalar.value makes of the word at `offset`: the number cut to its type."""
    kind = scalar.annotation
    if isinstance(kind, PointerType):
        return Pointer(kind, Number(INT, kind.range, context.load(f, offset, _WORD)))
    if kind is bool:
        word = context.load(f, offset, _WORD)
        some = f.op("or", word, f.op("neg", word))  # its top bit is set unless the word is 0
        return Number(BOOLEAN, BOOL, f.typed(BOOL, f.op("lshr", some, f.number(63))))
    if not isinstance(kind, Storage):
        return Number(INT, scalar.range, context.load(f, offset, _WORD))
    register = context.load(f, offset, kind.bits)
    if kind.is_signed and kind.bits < _WORD:
        register = f.op(f"sext{kind.bits}", register)
    kinds = frozenset({MODULAR[kind]}) if kind.is_modular else INT
    return Number(kinds, scalar.range, f.typed(kind.range, register))


def leave(f: Translation, node: ast.AST, given: Value | None, place: ast.expr | None) -> None:
    """End the function with `given`, None for none at all. place: the node of the value."""
    if f.reachable:
        held.leave_function(f, node)
    if f.frame.call is not None or f.target.is_subprogram:
        if f.reachable:  # the value is there: nothing in it has ended the program for certain
            f.frame.leaving.append((f.end(), NOTHING if given is None else given))
        f.leave()
        return
    match given:
        case Bad():
            f.ret(f.number(0))
        case None | Nothing():
            _nothing(f, node)
        case Maybe(pointer=None):
            assert place is not None, "a value has a node"
            there, none = compare.truth(f, f.state.known(given.there), place)
            flow.enter(f, there)
            _number(f, f.state.known(given.number), place)
            flow.enter(f, none)
            if f.reachable:
                _nothing(f, node)
        case Number():
            assert place is not None, "a value has a node"
            _number(f, f.state.known(given), place)
        case _:
            f.error(
                "E024",
                f"a program returns a number, and `{f.quoted(place or node)}` is {given.described}",
                place or node,
                help=_instead(f, given),
            )
            f.ret(f.number(0))


def _instead(f: Translation, given: Value) -> str:
    """What to return, where a text names it."""
    named = given.object if isinstance(given, Static) else None
    if isinstance(named, str) and named in f.hook.program_type.actions.values():
        return f"from bpfvm import {named}\nreturn {named}"
    return "return a number, or nothing" if f.frame.returns is None else "return a number"


def _nothing(f: Translation, node: ast.AST) -> None:
    scalar = f.frame.returns
    if scalar is not None:
        f.error(
            "E024",
            f"the function must return {an(scalar.annotation.__name__)}, and returns nothing here",
            f.head(node),
            why="its result is declared, and None is no number",
            help="return 0",
        )
    f.ret(f.number(f.hook.on_fault))


def fall_off(f: Translation, place: Span) -> None:
    """The end of a body that control can reach."""
    held.leave_function(f, place)
    scalar = f.frame.returns
    if scalar is not None:
        f.error(
            "E024",
            f"the function must return {an(scalar.annotation.__name__)}, and can end without one",
            place,
            why="Python returns None there, which is no number",
            help="end it with: return 0",
        )
    f.ret(f.number(f.hook.on_fault))


def is_cut(f: Translation) -> bool:
    """Whether the program's result is taken modulo its declared type."""
    return f.frame.returns is not None and isinstance(f.frame.returns.annotation, Storage)


def _number(f: Translation, number: Number, place: ast.expr) -> None:
    """The result, mod what it is declared as, and mod 2**32 where the hook reads it. `int` is exact, so it must fit."""
    scalar = f.frame.returns
    if scalar is not None and not isinstance(scalar.annotation, Storage) and not f.exact(number, place):
        f.ret(f.number(0))
        return
    if scalar is None:
        _is_taken(f, number, place)
        register = f.register(number)
        f.ret(register if number.range.within(_R0) else f.op("zext32", register))
        return
    context.store(f, RESULT_OFFSET, _word(f, number, place, scalar))
    f.ret(f.number(0))


def _is_taken(f: Translation, number: Number, place: ast.expr) -> None:
    """E021 for a result that the kernel's verifier refuses of the program's type."""
    lies = f.hook.returns
    if lies is None or number.range.within(Interval(*lies)):
        return
    names = [name for value, name in f.hook.program_type.actions.items() if lies[0] <= value <= lies[1]]
    f.error(
        "E021",
        f"a program of type {f.hook.type} returns {' or '.join(names) or _bounds(*lies)}, and `{f.quoted(place)}` "
        f"{f.lies(number.range)}",
        place,
        why="the kernel's verifier refuses any other result",
        help=f"return {lies[1]}" if lies[0] == lies[1] else f"return {lies[1]} if {f.operand(place)} else {lies[0]}",
    )


def _bounds(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _word(f: Translation, number: Number, place: ast.expr, scalar: Scalar) -> Register:
    """What Scalar.word makes of the result."""
    kind = scalar.annotation
    if kind is bool and number.kinds != BOOLEAN:
        truth = flow.truth_value(f, compare.truth(f, number, place), place)
        return f.register(truth) if isinstance(truth, Number) else f.number(0)
    if isinstance(kind, Storage):
        return f.register(cast(f, _UNSIGNED[kind.bits] if kind.is_big else kind, number))
    return f.register(number)
