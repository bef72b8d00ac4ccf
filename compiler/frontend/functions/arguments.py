"""The parameters of programs on probes, tracepoints and kernel functions: loaded from the context."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.memory import access
from bpfvm.compiler.frontend.pointers import context, probe
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import INT, Number, Pointer, Reference, Value
from bpfvm.core.span import Span
from bpfvm.lang.contexts.arguments import Argument, Arguments
from bpfvm.lang.contexts.usdt import Operand
from bpfvm.lang.types.interval import U64
from bpfvm.lang.types.layout import Layout
from bpfvm.lang.types.pointers import PointerType, pointer_to
from bpfvm.lang.types.scalars import Storage, char

_WORD = 64
_WHOLE = ("tracing", "lsm", "raw_tracepoint")  # whose arguments are words that programs load as such
_LOW = 0xFFFF  # of what tells where a text is: its offset


def refuse(f: Translation, found: Arguments, node: ast.FunctionDef | ast.Lambda, head: Span) -> None:
    """E014 for each parameter that has no meaning."""
    for one in found.problems:
        place = next((arg for arg in node.args.args if arg.arg == one.name), None)
        shown: ast.AST | Span = head if place is None else place.annotation or place
        f.error("E014", one.text, shown, help=one.help)


def bind(f: Translation, found: Arguments, used: frozenset[str], node: ast.AST) -> None:
    """The parameters that the body names."""
    for one in found.params:
        if one.name in used:
            f.state.names[one.name] = _value(f, one, node)


def _value(f: Translation, one: Argument, node: ast.AST) -> Value:
    kind = one.type
    if one.operand is not None:
        return _operand(f, one.operand, kind, node)
    if one.located:
        place = f.op("and", context.load(f, one.offset, 32), f.number(_LOW))
        return Pointer(pointer_to("kernel", char), Number(INT, U64, f.op("add", f.builder.ctx(), place)))
    if isinstance(kind, Layout):
        return Reference(kind, "ctx", f.builder.ctx(), one.offset, fixed=not one.writable)
    whole = one.word and f.hook.type in _WHOLE
    if one.nullable:
        word = probe.word_at(f, f.op("add", f.builder.ctx(), f.number(one.offset)), node)
        return probe.made(f, Number(INT, U64, word), kind)
    word = context.load(f, one.offset, _WORD if whole else kind.bits)
    if isinstance(kind, PointerType):
        return Pointer(kind, Number(INT, U64, word), trusted=one.trusted)
    if whole and kind.bits < _WORD:
        word = f.op(f"zext{kind.bits}", word)
    return probe.made(f, access.extended(f, word, kind), kind)


def _operand(f: Translation, one: Operand, kind: Storage, node: ast.AST) -> Value:
    """An argument of a USDT probe, where its place says."""
    word = f.number(one.plus)
    for at, scale in ((one.base, 1), (one.index, one.scale)):
        if at is not None:
            part = context.load(f, at, _WORD)
            word = f.op("add", f.op("mul", part, f.number(scale)) if scale > 1 else part, word)
    if one.in_memory:
        place = Pointer(pointer_to("user", kind), Number(INT, U64, word))
        return probe.number(f, place, kind, None, node)
    if isinstance(kind, PointerType):
        return Pointer(kind, Number(INT, U64, word))
    whole = f.op(f"zext{kind.bits}", word) if kind.bits < _WORD else word
    return probe.made(f, access.extended(f, whole, kind), kind)
