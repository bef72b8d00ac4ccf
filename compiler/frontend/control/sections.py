"""`with`: sections between two calls, which end on every way out of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import partial

from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Bad, Maybe, Nullable, Reference, Static
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.types import Value as Operation
from bpfvm.lang.helpers.sections import FLAGS, Lock, Section, SpinLock, irq_saved, no_preempt, rcu
from bpfvm.tables.places import GROUPS

_MANAGERS = "with bpf.rcu(): ...\nwith bpf.lock(v.lock): ..."
# Who cannot hold a lock ("tracing progs cannot use bpf_spin_lock yet", and the same of socket filters, on 6.18)
_LOCKLESS = frozenset(("socket_filter", "tracing", *GROUPS["trace"].split()))
_LOCK = "lock"
_SECTIONS = (rcu, no_preempt, irq_saved)
# What the verifier refuses while a lock is held
_CALLS = frozenset(("helper", "kfunc", "call", "again", "lookup", "update"))


def with_statement(f: Translation, node: ast.With, body: Callable[[Sequence[ast.stmt]], None]) -> None:
    """`with a, b: ...`, the same as one inside of the other."""
    begun: list[held.Held | None] = [_begin(f, item) for item in node.items]
    blocks, values = len(f.target.blocks), len(f.builder.block.values)
    first = f.builder.block
    body(node.body)
    if any(one is not None and one.kind == _LOCK for one in begun):
        inside = [one for block in f.target.blocks[blocks:] for one in block.values]
        _no_calls(f, node, [*first.values[values:], *inside])
    if f.reachable:
        for one in reversed(begun):
            if one is not None and held.is_held(f, one):
                held.give_back(f, one)


def _begin(f: Translation, item: ast.withitem) -> held.Held | None:
    """Begin one section. None after an error."""
    from bpfvm.compiler.frontend.expr import value  # which calls subprograms

    made = item.context_expr
    manager = value(f, made.func) if isinstance(made, ast.Call) else value(f, made)
    if isinstance(manager, Bad):
        return None
    known = manager.object if isinstance(manager, Static) else None
    if not isinstance(made, ast.Call) or not isinstance(known, Section | Lock):
        text = f"`with {f.quoted(made)}` holds nothing that a BPF program knows"
        f.error("E062", text, made, help=_MANAGERS)
        return None
    if item.optional_vars is not None:
        f.error("E062", f"`with {f.quoted(made)}` gives nothing for `as`", item.optional_vars, help="leave it out")
        return None
    if isinstance(known, Lock):
        return _lock(f, made)
    if made.args or made.keywords:
        f.error("E013", f"`{f.quoted(made.func)}` takes no arguments", made, help=f"with {f.quoted(made.func)}():")
        return None
    if known is rcu and _is_nested(f, made):
        return None
    with f.at(made):
        given = [f.builder.slot("flags of interrupts", FLAGS, source=f.span(made).location)] if known.saves else []
        if known.saves and f.reachable:
            f.store(given[0], f.number(0), 64)
        f.stored()
        f.builder.kfunc(known.begin, *given)
    return held.take(f, f"`{f.quoted(made)}`", made, partial(_end, known.end, given), scoped=True, kind=known.__name__)


def called(f: Translation, node: ast.Call, name: str, given: Sequence[Register]) -> bool:
    """Note that a kernel function, called by its name, begins a section or ends one. False after an error."""
    begun = next((one for one in _SECTIONS if one.begin == name), None)
    if begun is not None:
        if begun is rcu and _is_nested(f, node):
            return False
        release, help = partial(_end, begun.end, given), f"with bpf.{begun.__name__}():"
        held.take(f, f"`{f.quoted(node)}`", node, release, help=help, kind=begun.__name__)
        return True
    ended = next((one for one in _SECTIONS if one.end == name), None)
    if ended is None:
        return True
    last = next((one for one in reversed(f.state.held) if one.kind == ended.__name__ and not one.scoped), None)
    if last is None:
        text = f"`{f.quoted(node)}` ends what `{ended.begin}` begins, and nothing has begun it here"
        f.error("E036", text, node, help=f"with bpf.{ended.__name__}():")
        return False
    held.drop(f, last)
    return True


def may_call(f: Translation, node: ast.AST, callee: Function) -> bool:
    """Whether what is held here lets a subprogram be called. E062 where it begins the same section once more."""
    return held.of_kind(f, rcu.__name__) is None or not _begins(callee, set()) or not _is_nested(f, node)


def _begins(function: Function, seen: set[str]) -> bool:
    """Whether a subprogram, or one that it calls, begins a section of bpf.rcu()."""
    for one in function.values():
        if one.op == "kfunc" and one.name == rcu.begin:
            return True
        if one.op == "call" and one.name not in seen:
            seen.add(one.name)
            if _begins(function.callees[one.name], seen):
                return True
    return False


def _is_nested(f: Translation, node: ast.AST) -> bool:
    if held.of_kind(f, rcu.__name__) is None:
        return False
    f.error(
        "E062",
        "a section of bpf.rcu() cannot stand inside of another one",
        node,
        why="the kernel's verifier refuses it: nested rcu read lock",
        help="leave the inner one out: what is around holds on",
    )
    return True


def _end(name: str, given: Sequence[Register], f: Translation) -> None:
    f.stored()
    f.builder.kfunc(name, *given)


def _lock(f: Translation, made: ast.Call) -> held.Held | None:
    if len(made.args) != 1 or made.keywords:
        f.error("E013", f"`{f.quoted(made.func)}` takes one lock", made, help="with bpf.lock(v.lock):")
        return None
    from bpfvm.compiler.frontend.expr import value

    place = made.args[0]
    lock = value(f, place)
    if isinstance(lock, Bad):
        return None
    if isinstance(lock, Maybe | Nullable):
        f.may_be_none(place, lock)
        return None
    if not isinstance(lock, Reference) or lock.type is not SpinLock or lock.space != "map_value":
        text = f"`{f.quoted(place)}` is {lock.described}, and a lock is a SpinLock in the value of a map"
        f.error("E020", text, place, help="class Value: lock: SpinLock")
        return None
    if f.hook.type in _LOCKLESS:
        f.error(
            "E011",
            f"programs of type {f.hook.type} cannot hold a lock",
            made,
            why="the kernel's verifier refuses bpf_spin_lock there",
            help="update what is shared atomically: m[k].count += 1",
        )
        return None
    if held.of_kind(f, _LOCK) is not None:
        f.error("E062", "a second lock cannot be taken while one is held", made, help="take one after the other")
        return None
    with f.at(made):
        address = f.pointer(lock)
        f.stored()
        f.builder.helper("spin_lock", address)
    return held.take(f, f"the lock `{f.quoted(place)}`", made, partial(_unlock, address), scoped=True, kind=_LOCK)


def _unlock(address: Register, f: Translation) -> None:
    f.stored()
    f.builder.helper("spin_unlock", address)


def _no_calls(f: Translation, node: ast.With, made: Sequence[Operation]) -> None:
    """E062 for calls while a lock is held."""
    for one in made:
        if one.op in _CALLS and one.name != "spin_unlock":
            what = f"`{one.name}`" if one.name else "a map's helper"
            f.error(
                "E062",
                f"this holds a lock, and calls {what}" + (f" in line {one.span.line}" if one.span is not None else ""),
                f.head(node),
                why="the kernel's verifier refuses calls while a lock is held",
                help="look up and compute what is needed before the lock is taken",
            )
            return
