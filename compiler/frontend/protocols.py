"""What values that are objects of ours can do: a row for each class, a column for each piece of syntax.

A column that is None is an error, which the syntax's own handler words. Numbers, tuples and what lies in memory have
their meaning from Python and are no rows here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpfvm.compiler.frontend import absent
from bpfvm.compiler.frontend.helpers import dynptrs
from bpfvm.compiler.frontend.maps import methods, subscripts
from bpfvm.compiler.frontend.memory.items import Span
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.packets import views
from bpfvm.compiler.frontend.pointers import context, reads
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    ContextArray,
    ContextValue,
    Dynptr,
    MapValue,
    Maybe,
    Nullable,
    Pointer,
    Value,
    View,
)

Bind = Callable[[Value], None]
Statements = Callable[[Sequence[ast.stmt]], None]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One class of values; each function gets the translation and the value, then what the syntax brings.

    attribute: `v.a`. test: branch on `v.a`, None where it is to be evaluated for that. item: `v[i]`, with i. span:
    `v[a:b]`. set_attribute: `v.a = x`, with x and the node that it came from. set_item: `v[i] = x`, with i, x and its
    node. set_span: `v[a:b] = x`. update: `v.a op= x` and `v[i] op= x`, with i or None, and a function that evaluates x,
    which happens after the old value is read. delete: `del v[i]`. contains: `x in v`. truth: `bool(v)`, true without
    one. length: `len(v)`. loop: `for x in v`, with what binds an item to the target and what translates a body.
    """

    attribute: Callable[[Translation, Any, ast.Attribute], Value] | None = None
    test: Callable[[Translation, Any, ast.Attribute], Branches | None] | None = None
    item: Callable[[Translation, Any, Value, ast.Subscript], Value] | None = None
    span: Callable[[Translation, Any, Span, ast.Subscript], Value] | None = None
    set_attribute: Callable[[Translation, Any, ast.Attribute, Value, ast.expr], None] | None = None
    set_item: Callable[[Translation, Any, Value, ast.Subscript, Value, ast.expr], None] | None = None
    set_span: Callable[[Translation, Any, Span, ast.Subscript, Value, ast.expr], None] | None = None
    update: Callable[[Translation, Any, Value | None, ast.AugAssign, Callable[[], Value]], None] | None = None
    delete: Callable[[Translation, Any, Value, ast.Subscript], None] | None = None
    contains: Callable[[Translation, Any, Operand, ast.expr], Branches] | None = None
    truth: Callable[[Translation, Any, ast.expr], Branches] | None = None
    length: Callable[[Translation, Any, ast.Call], Value] | None = None
    loop: Callable[[Translation, Any, ast.For, Bind, Statements], None] | None = None


_NONE = Protocol()

PROTOCOLS: Mapping[type, Protocol] = {
    ContextValue: Protocol(
        attribute=context.attribute,
        set_attribute=context.set_attribute,
        update=context.update,
    ),
    ContextArray: Protocol(item=context.item, set_item=context.set_item, update=context.update, length=context.length),
    MapValue: Protocol(
        attribute=methods.attribute,
        item=subscripts.item,
        set_item=subscripts.set_item,
        update=subscripts.update,
        delete=subscripts.delete,
        contains=subscripts.contains,
        length=methods.length,
    ),
    Nullable: Protocol(
        attribute=absent.attribute,
        item=absent.item,
        span=absent.item,
        set_attribute=absent.set_attribute,
        set_item=absent.set_item,
        set_span=absent.set_item,
        update=absent.update,
        delete=absent.delete,
        contains=absent.contains,
        length=absent.length,
        loop=absent.loop,
    ),
    Pointer: Protocol(
        attribute=reads.attribute,
        item=reads.item,
        span=reads.span,
        truth=reads.truth,
        length=reads.length,
        set_attribute=reads.set_attribute,
        set_item=reads.set_item,
        set_span=reads.set_span,
        update=reads.update,
    ),
    Dynptr: Protocol(attribute=dynptrs.attribute),
    View: Protocol(
        attribute=views.attribute,
        test=views.test,
        item=views.item,
        span=views.span,
        set_attribute=views.set_attribute,
        set_item=views.set_item,
        set_span=views.set_span,
        update=views.update,
        length=views.length,
    ),
}


def of(value: Value) -> Protocol:
    """The row of a value's class; one without a column where it has none."""
    if isinstance(value, Maybe) and value.pointer is not None:
        return PROTOCOLS[Nullable]
    return PROTOCOLS.get(type(value), _NONE)
