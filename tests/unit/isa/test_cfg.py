"""Control flow graphs: against single instructions, by hand, and of programs as long as the kernel takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.isa.asm import assemble
from bpfvm.isa.cfg import Block, Cfg, Way, control_flow, structure
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import Kind

PROGRAM = assemble(
    """
    start:  r1 = 1 ll
    again:  r1 += -1
            call helper
            if r1 != 0 goto again
            may_goto again
            r2 = func back
            goto out
            r0 = 2              # nothing comes here
    out:    exit
    helper: if w1 == 0 goto pc+1
            exit
            gotol pc-3
    back:   r0 = 0
            exit
    """
)


def shown(graph: Cfg) -> list[tuple[int, int, list[tuple[int, str]]]]:
    return [(one.start, one.end, [(edge.to, edge.way.name) for edge in one.edges]) for one in graph.blocks]


def test_blocks_functions_and_calls() -> None:
    graph = control_flow(PROGRAM)
    assert shown(graph) == [
        (0, 2, [(1, "FALL")]),
        (2, 5, [(2, "FALL"), (1, "JUMP")]),
        (5, 6, [(3, "FALL"), (1, "JUMP")]),
        (6, 9, [(5, "JUMP")]),
        (9, 10, [(5, "FALL")]),
        (10, 11, []),
        (11, 12, [(7, "FALL"), (8, "JUMP")]),
        (12, 13, []),
        (13, 14, [(6, "JUMP")]),
        (14, 16, []),
    ]
    assert [(one.slot, one.end, list(one.blocks)) for one in graph.functions] == [
        (0, 11, [0, 1, 2, 3, 4, 5]),
        (11, 14, [6, 7, 8]),
        (14, 16, [9]),
    ]
    assert [(one.slot, one.function, one.taken) for one in graph.calls] == [(3, 1, False), (6, 2, True)]
    assert graph.indirect == ()
    assert [graph.block_at(slot) for slot in (0, 1, 4, 15)] == [0, 0, 1, 9]
    with pytest.raises(LoadError, match="there is no instruction 16: the program has 16 slots"):
        graph.block_at(16)


def test_the_structure() -> None:
    shape = structure(control_flow(PROGRAM))
    assert shape.order == (0, 1, 2, 3, 5, 6, 8, 7, 9)
    assert shape.unreachable == (4,)
    assert [shape.dominance.parent[number] for number in range(10)] == [None, 0, 1, 2, None, 3, None, 6, 6, None]
    assert [(one.header, one.latches, one.own, one.parent) for one in shape.loops] == [
        (1, (1, 2), (1, 2), None),
        (6, (8,), (6, 8), None),
    ]
    assert shape.loop_of == (None, 0, 0, None, None, None, 1, None, 1, None)
    assert shape.irreducible == ()


def test_a_cycle_with_two_entries_is_irreducible() -> None:
    graph = control_flow(assemble("if r1 == 0 goto b\n a: r1 += 1\n b: if r1 > 5 goto a\n exit"))
    (region,) = structure(graph).irreducible
    assert (region.nodes, region.entries) == ((1, 2), (1, 2))


def test_what_a_register_says_has_no_edge() -> None:
    graph = control_flow(assemble("callx r1\n gotox r1"))
    assert (shown(graph), graph.indirect) == ([(0, 2, [])], (0, 1))


def test_entries_begin_functions() -> None:
    graph = control_flow(assemble("r0 = 0\n exit\n r0 = 1\n exit"), entries=[2])
    assert [(one.slot, one.end) for one in graph.functions] == [(0, 2), (2, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("goto pc+5\n exit", "instruction 0 jumps to 6, which is outside of the 2 slots"),
        ("goto pc-2\n exit", "instruction 0 jumps to -1, which is outside of the 2 slots"),
        ("if r1 == 0 goto pc+1\n exit", "instruction 0 jumps to 2, which is outside of the 2 slots"),
        (
            "goto pc+1\n r1 = 1 ll\n exit",
            "instruction 0 jumps to 2, which is the second half of a wide instruction",
        ),
        ("call f\n goto f\n f: exit", "instruction 1 jumps to 2, which is in another function"),
        ("call pc+7\n exit", "a function begins at slot 8, which is outside of the 2 slots"),
        ("call pc+1\n r1 = 1 ll\n exit", "a function begins at slot 2, which is the second half of a wide instruction"),
        ("r0 = 0", "instruction 0 is the last one of its function and is no exit or jump"),
        ("call f\n r0 = 0\n f: exit", "instruction 1 is the last one of its function and is no exit or jump"),
        ("if r0 == 0 goto pc-1", "instruction 0 is the last one of its function and is no exit or jump"),
        ("", "the program has no instructions"),
    ],
)
def test_what_no_machine_takes_is_refused(text: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        control_flow(assemble(text))
    assert str(caught.value) == message


@st.composite
def programs(draw: st.DrawFn) -> list[Insn]:
    """Up to 14 instructions that jump within their function."""
    count = draw(st.integers(1, 13))
    names = st.sampled_from(["mov64_k", "lddw", "jeq64_k", "may_goto", "ja", "gotol", "exit"])
    program = [*(insn(draw(names)) for _ in range(count)), insn("exit")]
    at = slots(program)
    for number, one in enumerate(program):
        if one.jump is not None:
            reach = draw(st.sampled_from(at[:-1])) - at[number] - 1
            program[number] = insn(one.op.name, off=reach) if "off" in one.op.uses else insn(one.op.name, imm=reach)
    return program


def following(one: Insn, slot: int) -> set[int]:
    """The slots that may be executed behind an instruction."""
    if one.op.kind is Kind.EXIT:
        return set()
    jumped = {slot + 1 + one.jump} if one.jump is not None else set()
    return jumped if one.op.kind is Kind.GOTO else jumped | {slot + one.width}


@given(programs())
def test_blocks_say_of_each_instruction_what_follows(program: list[Insn]) -> None:
    graph = control_flow(program)
    at = slots(program)
    assert [slot for block in graph.blocks for slot in at[block.first : block.last]] == at[:-1]
    entered = {slot for number, one in enumerate(program) for slot in following(one, at[number]) - {at[number + 1]}}
    for block in graph.blocks:
        for number in range(block.first, block.last):
            successors = following(program[number], at[number])
            if number < block.last - 1:
                assert successors == {at[number + 1]}
                assert at[number + 1] not in entered
            else:
                assert successors == {graph.blocks[edge.to].start for edge in block.edges}
            for edge in block.edges:
                assert edge.way is Way.JUMP or graph.blocks[edge.to].start == block.end


def checked(size: int) -> list[Insn]:
    """A test that leaves to one exit, over and over, as bounds checks do."""
    rounds = size // 2
    leaves = [(insn("jeq64_k", off=1), insn("gotol", imm=2 * (rounds - number - 1))) for number in range(rounds)]
    return [*(one for pair in leaves for one in pair), insn("exit")]


def called(size: int) -> list[Insn]:
    """Many functions, each calling the next."""
    return [one for _ in range(size // 2) for one in (insn("call_local", imm=1), insn("exit"))] + [insn("exit")]


def nested(size: int) -> list[Insn]:
    """Loops in one another: what jumps back first ends the innermost."""
    depth = size // 3
    heads = [insn("jeq64_k", off=0)] * depth
    tails = [(insn("jeq64_k", off=1), insn("gotol", imm=-3 * number - 3)) for number in range(depth)]
    return [*heads, *(one for pair in tails for one in pair), insn("exit")]


@pytest.mark.parametrize(("make", "loops"), [(checked, 0), (called, 0), (nested, 33_333)])
def test_a_hundred_thousand_slots(make: Callable[[int], list[Insn]], loops: int) -> None:
    program = make(100_000)
    start = time.thread_time()
    graph = control_flow(program)
    shape = structure(graph)
    seconds = time.thread_time() - start
    print(f"{make.__name__}: {len(program)} slots, {len(graph.blocks)} blocks, {len(graph.functions)} functions, "
          f"{len(shape.loops)} loops, {seconds:.2f} s")  # fmt: skip
    assert len(shape.loops) == loops
    assert len(shape.order) == len(graph.blocks)
    assert seconds < 20


def test_a_million_instructions_in_a_row() -> None:
    start = time.thread_time()
    graph = control_flow([insn("mov64_k")] * 999_999 + [insn("exit")])
    structure(graph)
    seconds = time.thread_time() - start
    print(f"{seconds:.2f} s")
    assert [(one.start, one.end) for one in graph.blocks] == [(0, 1_000_000)]
    assert isinstance(graph.blocks[0], Block)
    assert seconds < 20
