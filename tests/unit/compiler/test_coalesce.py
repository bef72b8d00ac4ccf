"""Coalescing: copies go away, registers that are live at once stay two; groups of spilled ones share a slot."""

from __future__ import annotations

from collections import Counter

from bpfvm.compiler.emit.object import assemble
from bpfvm.compiler.ir.build import WORD, Builder
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.graph import loop_depths
from bpfvm.compiler.ir.text import parse
from bpfvm.compiler.lower.lir import ALLOCATABLE, VIRTUAL
from bpfvm.compiler.pipeline import generate
from bpfvm.compiler.regalloc.coalesce import Graph, coalesce
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from tests.unit.compiler.ir_evaluator import evaluate

A, B, C, D = range(VIRTUAL, VIRTUAL + 4)
LOOP = (
    'function f syscall "syscall" on_fault 0\nb0:\n  v1: ctx* = ctx\n  v2: [0, 9] = load64 v1 +8\n'
    "  v3: [0, 0] = const 0x0\n  v4: [1, 1] = const 0x1\n  goto b1(v3, v3)\n"
    "b1(v5: [0, 9], v6: [0, 99]):\n  branch ult v5 v2 b2() b3()\n"
    "b2:\n  v7: [0, 99] = add v6 v5\n  v8: [0, 9] = add v5 v4\n  goto b1(v8, v7)\nb3:\n  return v6\n"
)


def _graph(*edges: tuple[int, int]) -> Graph:
    graph: Graph = {one: set() for one in (A, B, C, D)}
    for a, b in edges:
        graph.setdefault(a, set()).add(b)
        graph.setdefault(b, set()).add(a)
    return graph


def _partners(*copies: tuple[int, int]) -> dict[int, Counter[int]]:
    partners = {one: Counter[int]() for one in (A, B, C, D)}
    for a, b in copies:
        partners[a][b] += 1
        partners[b][a] += 1
    return partners


def test_a_chain_of_copies_becomes_one_register() -> None:
    graph, weight = _graph((A, D)), Counter({A: 1, B: 2, C: 3})
    assert coalesce(graph, _partners((A, B), (B, C)), weight, ()) == {A: [A, B, C]}
    assert graph == {A: {D}, D: {A}}
    assert weight[A] == 6


def test_what_is_live_at_once_stays_two() -> None:
    """Merging A and B makes C a neighbour of both: B may not become C as well."""
    graph = _graph((A, C))
    assert coalesce(graph, _partners((A, B), (A, B), (B, C)), Counter(), ()) == {A: [A, B]}
    assert graph == {A: {C}, C: {A}, D: set()}


def test_short_lived_registers_are_left_alone() -> None:
    assert coalesce(_graph(), _partners((A, B)), Counter(), {B}) == {}


def test_a_merge_that_may_cost_a_register_is_not_made() -> None:
    """All but one neighbour of the two ends, or all, have as many neighbours as there are machine registers."""
    many = len(ALLOCATABLE)
    for count, made in ((many - 1, True), (many, False)):
        around = range(D + 1, D + 1 + count)
        others = range(around[-1] + 1, around[-1] + many)
        edges = [(A if one % 2 else B, one) for one in around] + [(one, other) for one in around for other in others]
        assert bool(coalesce(_graph(*edges), _partners((A, B)), Counter(), ())) is made, count


def test_a_loop_changes_its_values_in_place() -> None:
    insns = [one.op.name for one in generate(parse(LOOP), record_faults=False).insns]
    assert insns.count("mov64_x") <= 2  # the context, the result
    assert insns.count("ja") == 1


def test_loops_are_counted() -> None:
    depths = {str(block): depth for block, depth in loop_depths(parse(LOOP)).items()}
    assert depths == {"b0": 0, "b1": 1, "b2": 1, "b3": 0}


def _twice(live: int) -> Function:
    """Twice in a row `live` values in use at once."""
    function = Function("twice", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    total = b.const(1)
    for _ in range(2):
        values = [b.op("load64", ctx, imm=8 * (i + 1)) for i in range(live)]
        for op in ("xor", "mul"):
            for value in values:
                total = b.op(op, total, value, type=WORD)
    b.op("store64", ctx, total, imm=0)
    b.ret(total)
    return function


def test_what_is_never_spilled_at_once_shares_slots() -> None:
    for live in (14, 30):
        function = _twice(live)
        context = bytearray(8) + b"".join((5 * i + 3).to_bytes(8, "little") for i in range(live))
        code = generate(function, record_faults=False)
        with Emulator("interp").load(assemble([code], {}, None), function.name, {}) as loaded:
            assert loaded.run(Input(ctx=bytes(context))).r0 == evaluate(function, context, {})
        assert 0 < code.stack <= 8 * live, code.stack  # not twice as much
