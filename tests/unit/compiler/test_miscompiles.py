"""Errors planted in the compiler: the core of the suite must see each of them, soon.

The core is what `tests/contract/levels.py` does (every function against CPython on the reference tier) and the lines of
instructions. An error counts as seen when an outcome differs, a check of the compiler objects, or a run fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bpfvm.compiler import pipeline
from bpfvm.compiler.emit import layout
from bpfvm.compiler.frontend.control import status
from bpfvm.compiler.frontend.functions import result
from bpfvm.compiler.frontend.numbers import divide, kinds, shift
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.ir.check import BrokenIr
from bpfvm.compiler.ir.function import Branch, Function, edges
from bpfvm.compiler.ir.graph import Dominance, order
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.lower import lir, select
from bpfvm.compiler.lower.lir import LirFunction
from bpfvm.compiler.passes import dce, rules, simplify
from bpfvm.compiler.regalloc import alloc
from bpfvm.compiler.regalloc import spill as spilling
from bpfvm.compiler.regalloc.check import BadAllocation
from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import BpfvmError
from tests.contract import levels
from tests.unit.compiler.test_lines import wrong_lines

LIMIT = 60.0  # seconds
Plant = Callable[[pytest.MonkeyPatch], None]


def _branches(change: Callable[[Function, Branch, bool], None]) -> Plant:
    """Change branches of the IR as the frontend makes it; told of each whether it ends the head of a loop."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        optimise = pipeline.optimise

        def changed(function: Function, *rest: Any) -> None:
            for one in (function, *function.callees.values()):
                dominance = Dominance(one)
                heads = {target for block in order(one) for target, _ in edges(block.terminator)
                         if dominance.holds(target, block)}  # fmt: skip
                for block in order(one):
                    if isinstance(block.terminator, Branch):
                        change(one, block.terminator, block in heads)
            optimise(function, *rest)

        patch.setattr(pipeline, "optimise", changed)

    return plant


def _loop_bound(function: Function, end: Branch, is_head: bool) -> None:
    if is_head:
        end.cond = {"ult": "ule", "slt": "sle", "ugt": "uge", "sgt": "sge"}.get(end.cond, end.cond)


def _unsigned(function: Function, end: Branch, is_head: bool) -> None:
    end.cond = {"slt": "ult", "sle": "ule", "sgt": "ugt", "sge": "uge"}.get(end.cond, end.cond)


def _truncated(patch: pytest.MonkeyPatch) -> None:
    def quotient(f: Translation, op: Any, a: Any, b: Any) -> Any:
        sign_a, sign_b = divide._sign(f, op.a, a), divide._sign(f, op.b, b)
        whole = f.op("udiv", divide._magnitude(f, a, sign_a), divide._magnitude(f, b, sign_b))
        differ = f.op("xor", sign_a, sign_b)
        return f.op("sub", f.op("xor", whole, differ), differ)

    patch.setattr(divide, "_by_magnitudes", quotient)


def _set(target: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(target, name, value)


def _item(table: Any, key: str, value: Any) -> Plant:
    return lambda patch: patch.setitem(table, key, value)


def _wrong_slot(patch: pytest.MonkeyPatch) -> None:
    def spill(function: LirFunction, webs: Any) -> set[int]:
        made = spilling.spill(function, webs)
        loads = [one for block in function.blocks for one in block.insns if one.spill and one.op == "ldx64"]
        if loads:
            loads[-1].off -= 8
        return made

    patch.setattr(alloc, "spill", spill)


def _unchecked_slot(patch: pytest.MonkeyPatch) -> None:
    """The same with the check of allocations asleep: the outcome must tell."""
    _wrong_slot(patch)
    patch.setattr(alloc, "verify", lambda function, colours: None)


def _one_slot_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(alloc, "_webs", lambda graph, merged, failed: [[m for one in failed for m in merged.get(one, [one])]])


def _careless_merges(patch: pytest.MonkeyPatch) -> None:
    """Ends of copies become one register although both are live."""
    interference = alloc._interference

    def forgetful(function: LirFunction) -> Any:
        graph, partners, weight = interference(function)
        for one, wishes in partners.items():
            for other in wishes:
                graph[one].discard(other)
                graph[other].discard(one)
        return graph, partners, weight

    patch.setattr(alloc, "_interference", forgetful)


def _lines_off(patch: pytest.MonkeyPatch) -> None:
    laid_out = layout.layout

    def moved(function: LirFunction, *rest: Any) -> Any:
        insns, lines = laid_out(function, *rest)
        return insns, {slot: replace(place, line=place.line + 1) for slot, place in lines.items()}

    patch.setattr(pipeline, "layout", moved)


def _lost_stores(patch: pytest.MonkeyPatch) -> None:
    table = {name: replace(row, writes=row.writes and not name.startswith("atomic")) for name, row in IR_OPS.items()}
    patch.setattr(dce, "IR_OPS", table)


def _jump(op: str) -> Callable[..., None]:
    return lambda to, dst: to.emit(op, dst)


def _no_status(patch: pytest.MonkeyPatch) -> None:
    """A caller that goes on after a fault in a subprogram."""
    patch.setattr(status, "test", lambda f, word: None)


def _narrow_always(patch: pytest.MonkeyPatch) -> None:
    dropped = rules.Rule("planted", lambda value: value.args[0], ("sext8", "sext16", "sext32", "zext8", "zext16"))
    patch.setattr(simplify, "_BY_OP", {op: [*known, *([dropped] if op in dropped.ops else [])]
                                       for op, known in simplify._BY_OP.items()})  # fmt: skip


PLANTS: Mapping[str, Plant] = {
    "division truncates": _truncated,
    "a divisor of zero is let pass": _set(divide, "_nonzero", lambda f, op: op),
    "a count past the width is masked": _set(shift, "_narrow", lambda f, n: f.number(-1)),
    "signed comparison is unsigned": _branches(_unsigned),
    "a loop makes a turn too many": _branches(_loop_bound),
    "reload from another slot": _wrong_slot,
    "reload from another slot, unchecked": _unchecked_slot,
    "values that are live at once share a slot": _one_slot_for_all,
    "copies of live values are merged": _careless_merges,
    "a call spares r1 to r5": _set(lir, "CLOBBERED", frozenset((0,))),
    "parallel copies one by one": _set(select, "sequence", lambda moves, fresh: list(moves)),
    "bytes stay as they are": _item(select.UNARY, "bswap16", _jump("le16")),
    "sign extension is zero extension": _item(select.UNARY, "sext32", select._high_bits_out),
    "immediates past 32 bits are cut": _set(select, "immediate", lambda number: signed(number & M32, 32)),
    "conditions keep when operands are exchanged": _set(select, "MIRRORED", {name: name for name in select.MIRRORED}),
    "an inverted jump keeps its condition": _set(layout, "_INVERTED", {name: name for name in layout._INVERTED}),
    "lines are one further": _lines_off,
    "atomic operations are dropped": _lost_stores,
    "a fault in a subprogram is not looked at": _no_status,
    "extensions are dropped": _narrow_always,
    "the sum of bools is a bool": _set(kinds, "_BITWISE", frozenset({*kinds._BITWISE, "add"})),
    "an argument is cut as a wider one": _set(result, "argument_offset", lambda place: 8 * place),
}  # fmt: skip


def _seen() -> Iterator[str]:
    """What the core of the suite finds, from the cheapest on."""
    yield from wrong_lines()
    yield from levels.wrong(3, "interp")


def _first() -> str | None:
    try:
        return next(_seen(), None)
    except (BadAllocation, BrokenIr, BpfvmError, AssertionError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_error_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS[name](monkeypatch)
    start = time.monotonic()
    found = _first()
    spent = time.monotonic() - start
    assert found is not None, f"nothing sees it: {name}"
    print(f"{name}: {found.splitlines()[0][:150]} ({spent:.1f} s)")
    assert spent < LIMIT
