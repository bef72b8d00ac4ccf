"""Layout: where control goes is the same before and after, jumps to what follows are gone, places keep their slots."""

from __future__ import annotations

import random

import pytest

from bpfvm.compiler.emit.layout import layout
from bpfvm.compiler.emit.reach import REACH
from bpfvm.compiler.ir.ops import CONDITIONS, OPPOSITES
from bpfvm.compiler.lower.lir import R0, Lir, LirBlock, LirFunction
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import BY_NAME, Kind, taken

GRAPHS = 300
JUMPS = [f"{jump}64_k" for jump in CONDITIONS.values()]


def _random(seed: int) -> LirFunction:
    """Blocks that each say their number and go on at random; loops among them, some cold."""
    chooser = random.Random(seed)
    blocks = [LirBlock(f"b{i}", cold=i > 0 and chooser.random() < 0.2) for i in range(chooser.randint(2, 12))]
    for number, block in enumerate(blocks):
        block.insns = [Lir("mov64_k", R0, imm=number)]
        if chooser.random() < 0.3:
            block.insns.append(Lir("lddw", R0, imm=number << 40 | number))
        way = chooser.randrange(4)
        targets = [chooser.choice(blocks), chooser.choice(blocks)]
        if way == 0:
            block.insns.append(Lir("exit"))
        elif way == 1:
            block.insns.append(Lir("ja", target=targets[0]))
        else:
            block.insns.append(Lir(chooser.choice(JUMPS), 1, imm=chooser.randint(-3, 9), target=targets[0]))
            block.insns.append(Lir("ja", target=targets[1]))
    return LirFunction(f"g{seed}", blocks)


def _path_of_blocks(function: LirFunction, inputs: list[int]) -> list[int]:
    """The numbers of the blocks on the way, one input for each conditional jump."""
    block, path = function.blocks[0], []
    for word in inputs:
        path.append(block.insns[0].imm)
        end = next(one for one in block.insns if one.target is not None or one.op == "exit")
        if end.op == "exit":
            break
        if end.op != "ja" and not taken(BY_NAME[end.op], word, end.imm & (1 << 64) - 1):
            end = block.insns[-1]
        assert end.target is not None
        block = end.target
    return path


def _path_of_code(insns: tuple[Insn, ...], inputs: list[int]) -> list[int]:
    number_of = {slot: number for number, slot in enumerate(slots(insns))}
    path: list[int] = []
    at, word, left = 0, 0, list(inputs)
    while True:
        one = insns[at]
        following = slots(insns)[at + 1]
        if one.op.name == "mov64_k":
            if not left:
                return path
            word = left.pop(0)
            path.append(one.imm)
        if one.op.kind is Kind.EXIT:
            return path
        jumps = one.op.kind is Kind.GOTO or (one.op.kind is Kind.JUMP and taken(one.op, word, one.imm & (1 << 64) - 1))
        at = number_of[following + (one.off if jumps else 0)]


def test_control_goes_where_it_went() -> None:
    compared = inverted = dropped = 0
    for seed in range(GRAPHS):
        function = _random(seed)
        before = sum(len(block.insns) for block in function.blocks)
        insns, _ = layout(_random(seed))
        chooser = random.Random(seed)
        for _ in range(8):
            inputs = [chooser.choice([0, 1, 3, 9, (1 << 64) - 1]) for _ in range(20)]
            assert _path_of_code(insns, inputs) == _path_of_blocks(function, inputs), f"graph {seed}"
            compared += 1
        dropped += len(insns) < before
        old = {one.op for block in function.blocks for one in block.insns}
        inverted += bool({one.op.name for one in insns if one.op.kind is Kind.JUMP} - old)
        assert not any(one.op.name == "ja" and one.off == 0 for one in insns), f"graph {seed} jumps to what follows"
        assert insns[-1].op.kind in (Kind.EXIT, Kind.GOTO), f"graph {seed} falls off its end"
    print(f"{compared} ways compared; {dropped} graphs became shorter, {inverted} have an inverted condition")
    assert compared >= 2000
    assert dropped > 200
    assert inverted > 30


def test_cold_blocks_come_last() -> None:
    mixed = 0
    for seed in range(GRAPHS):
        function = _random(seed)
        cold = {block.insns[0].imm for block in function.blocks if block.cold}
        order = [one.imm in cold for one in layout(function)[0] if one.op.name == "mov64_k"]
        assert order == sorted(order), f"graph {seed}"
        mixed += any(order) and not all(order)
    assert mixed > 50


def test_what_nothing_reaches_is_left_out() -> None:
    lost = LirBlock("lost", [Lir("mov64_k", R0, imm=9), Lir("exit")])
    insns, _ = layout(LirFunction("f", [LirBlock("b0", [Lir("mov64_k", R0), Lir("exit")]), lost]))
    assert [one.op.name for one in insns] == ["mov64_k", "exit"]


def test_the_end_of_a_loop_stands_behind_its_test() -> None:
    """Where the kernel's verifier walks it before the next turn."""
    head, body, end = LirBlock("head", depth=1), LirBlock("body", depth=1), LirBlock("end")
    head.insns = [Lir("mov64_k", R0, imm=1), Lir("jlt64_k", 1, imm=9, target=body), Lir("ja", target=end)]
    body.insns = [Lir("mov64_k", R0, imm=2), Lir("ja", target=head)]
    end.insns = [Lir("mov64_k", R0, imm=3), Lir("exit")]
    insns, _ = layout(LirFunction("f", [LirBlock("entry", [Lir("ja", target=head)]), head, body, end]))
    assert [one.imm for one in insns if one.op.name == "mov64_k"] == [1, 3, 2]


@pytest.mark.parametrize("form", ["k", "x"])
@pytest.mark.parametrize("condition", OPPOSITES)
def test_the_first_level_inverts_without_newer_jumps(condition: str, form: str) -> None:
    jump = f"{CONDITIONS[condition]}64_{form}"
    near, far = LirBlock("near", [Lir("exit")]), LirBlock("far", [Lir("mov64_k", R0, imm=1), Lir("exit")], cold=True)
    entry = LirBlock("entry", [Lir(jump, 1, 2 if form == "x" else 0, imm=4, target=near), Lir("ja", target=far)])
    first = layout(LirFunction("f", [entry, near, far]), 1)[0][0]
    if first.op.name == jump:  # not inverted
        return
    assert first.op.name[:-5] not in ("jlt", "jle", "jslt", "jsle")
    for word in (0, 3, 4, 5, 1 << 63, (1 << 64) - 1):
        mine, other = (4, word) if (first.dst, first.src) == (2, 1) else (word, 4)
        assert taken(first.op, mine, other) is not taken(BY_NAME[jump], word, 4)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_inverted_only_where_it_has_an_opposite(condition: str) -> None:
    jump = f"{CONDITIONS[condition]}64_k"
    near = LirBlock("near", [Lir("exit")])
    far = LirBlock("far", [Lir("mov64_k", R0, imm=1), Lir("exit")], cold=True)
    entry = LirBlock("entry", [Lir(jump, 1, imm=4, target=near), Lir("ja", target=far)])
    insns, _ = layout(LirFunction("f", [entry, near, far]))
    opposite = OPPOSITES.get(condition)
    if opposite is None:
        assert [one.op.name for one in insns[:2]] == [jump, "ja"]
    else:
        assert insns[0].op.name == f"{CONDITIONS[opposite]}64_k"
        assert insns[0].off == 1
        for word in (0, 3, 4, 5, 1 << 63, (1 << 64) - 1):
            assert taken(insns[0].op, word, 4) is not taken(BY_NAME[jump], word, 4)


def _long(length: int, loop: bool) -> LirFunction:
    """A jump over `length` slots of one block, and, if `loop`, one back over them."""
    end = LirBlock("end", [Lir("mov64_k", R0, imm=2), Lir("exit")], cold=True)
    between, entry = LirBlock("between"), LirBlock("entry")
    between.insns = [Lir("mov64_k", R0, imm=1), *[Lir("mov64_k", 3, imm=7) for _ in range(length - 3)]]
    between.insns += [Lir("jeq64_k", 1, imm=5, target=between), Lir("exit")] if loop else [Lir("ja", target=end)]
    entry.insns = [Lir("mov64_k", R0), Lir("jeq64_k", 1, imm=0, target=end), Lir("ja", target=between)]
    if loop:
        between.insns[-1:] = [Lir("ja", target=end)]
    return LirFunction("long", [entry, between, end])


@pytest.mark.parametrize(
    ("length", "loop", "cpu"),
    [(REACH - 40, True, 3), (REACH + 1, False, 3), (REACH, False, 4), (2 * REACH + 9, True, 3), (2 * REACH, True, 4)],
)
def test_a_jump_of_any_length_arrives(length: int, loop: bool, cpu: int) -> None:
    """By stepping stones where 16 bits do not reach: what is walked is the way that the blocks tell."""
    insns, _ = layout(_long(length, loop), cpu)
    long = sum(one.op.name == "gotol" for one in insns)
    assert all(-REACH <= one.off < REACH for one in insns), "a jump's offset has 16 bits"
    if abs(length - REACH) > 8:  # just below, distances may be taken a little too long
        assert bool(long) is (cpu == 4 and length > REACH), long
    at = {slot: one for slot, one in zip(slots(insns), insns, strict=False)}
    for word in (0, 1, 5):
        seen, slot, turns = [], 0, 0
        while at[slot].op.kind is not Kind.EXIT and turns < 3:
            one, slot = at[slot], slot + 1
            if one.op.name == "mov64_k" and one.dst == R0:
                seen.append(one.imm)
                turns += one.imm == 1
            jumps = one.op.kind is Kind.GOTO or (one.op.kind is Kind.JUMP and taken(one.op, word, one.imm))
            slot += (one.imm if one.op.name == "gotol" else one.off) if jumps else 0
            assert -REACH <= one.off < REACH
        assert seen == ([0, 2] if word == 0 else [0, 1, 1, 1] if word == 5 and loop else [0, 1, 2])


def test_stones_are_shared() -> None:
    """A hundred faults at one end, and the tail that they share at the other."""
    end = LirBlock("end", [Lir("exit")], cold=True)
    blocks = [LirBlock(f"b{place}") for place in range(100)]
    for block, following in zip(blocks, [*blocks[1:], end], strict=True):
        block.insns = [Lir("jeq64_k", 1, imm=0, target=end), *[Lir("mov64_k", 3, imm=7) for _ in range(800)]]
        block.insns.append(Lir("ja", target=following))
    insns, _ = layout(LirFunction("f", [*blocks, end]), 3)
    assert sum(one.op.name == "ja" for one in insns) <= 40


def test_each_place_stands_at_its_first_slot() -> None:
    one, two = Location("f.py", 1, 5), Location("f.py", 2, 5)
    insns = [
        Lir("lddw", 2, imm=1 << 40, span=one),
        Lir("mov64_k", R0, imm=1, span=one),
        Lir("add64_x", R0, 2, span=two),
        Lir("mov64_k", 3),  # has no place of its own
        Lir("neg64", R0, span=two),
        Lir("exit", span=one),
    ]
    code, lines = layout(LirFunction("f", [LirBlock("b0", insns)]))
    assert lines == {0: one, 3: two, 6: one}
    assert slots(code) == [0, 2, 3, 4, 5, 6, 7]
    assert [one.source for one in code] == [lir.span for lir in insns]


def test_the_first_slot_always_has_a_place() -> None:
    """The kernel refuses line information that leaves out slot 0 ("missing bpf_line_info for func#0")."""
    place = Location("f.py", 3)
    block = LirBlock("b0", [Lir("mov64_x", 6, 1), Lir("mov64_k", R0, imm=1, span=place), Lir("exit")])
    _, lines = layout(LirFunction("f", [block]))
    assert list(lines.items()) == [(0, place), (1, place)]
    assert layout(LirFunction("f", [LirBlock("b0", [Lir("exit")])]))[1] == {}


def test_jumps_go_past_blocks_that_only_jump_on() -> None:
    end, entry = LirBlock("end", [Lir("exit")]), LirBlock("entry")
    edges = [LirBlock("edge0"), LirBlock("edge1")]
    edges[0].insns, edges[1].insns = [Lir("ja", target=edges[1])], [Lir("ja", target=end)]
    other = LirBlock("other", [Lir("mov64_k", R0, imm=1), Lir("exit")])
    entry.insns = [Lir("jeq64_k", 1, imm=0, target=edges[0]), Lir("ja", target=other)]
    insns, _ = layout(LirFunction("f", [entry, *edges, other, end]))
    assert [one.op.name for one in insns] == ["jeq64_k", "mov64_k", "exit", "exit"]


def test_an_endless_loop_of_nothing_is_one_jump() -> None:
    entry, turning = LirBlock("entry", [Lir("mov64_k", R0)]), LirBlock("turning")
    entry.insns.append(Lir("ja", target=turning))
    turning.insns = [Lir("ja", target=turning)]
    insns, _ = layout(LirFunction("f", [entry, turning]))
    assert [(one.op.name, one.off) for one in insns] == [("mov64_k", 0), ("ja", -1)]
