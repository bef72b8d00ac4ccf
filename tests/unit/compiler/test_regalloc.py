"""Register allocation: values survive any pressure, and the check of allocations finds the errors that are planted."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bpfvm.compiler.emit.layout import layout
from bpfvm.compiler.emit.object import Code, assemble
from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.lower.lir import ALLOCATABLE, CLOBBERED, R0, R1, R10, VIRTUAL, Lir, LirBlock, LirFunction
from bpfvm.compiler.lower.select import select
from bpfvm.compiler.pipeline import generate
from bpfvm.compiler.regalloc import alloc
from bpfvm.compiler.regalloc import spill as spilling
from bpfvm.compiler.regalloc.check import BadAllocation, verify
from bpfvm.compiler.regalloc.live import backwards, live_out
from bpfvm.core.diag import CompileError
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.lang.maps import Array
from bpfvm.lang.types.scalars import u64
from bpfvm.obj.model import ObjectSpec
from tests.unit.compiler.ir_evaluator import evaluate
from tests.unit.compiler.test_codegen import MAP, Generator, contexts, meaning

FUNCTIONS = 40
PLANTS = 12  # wrong registers in each function
BUDGET = 20_000  # instructions: a planted error may make a loop without end
Seen = list[tuple[object, ...]]


def _pressure(live: int) -> Function:
    """`live` values in use at once."""
    function = Function("many", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    values = [b.op("load64", ctx, imm=8 * (i + 1)) for i in range(live)]
    total = values[0]
    for op in ("xor", "mul"):
        for value in values:
            total = b.op(op, total, value)
    b.op("store64", ctx, total, imm=0)
    b.ret(total)
    return function


@pytest.mark.parametrize("live", [1, 4, 8, 9, 10, 11, 12, 16, 30, 60])
def test_any_number_of_live_values_survives(live: int) -> None:
    function = _pressure(live)
    context = bytearray(8) + b"".join((3 * i + 1).to_bytes(8, "little") for i in range(live))
    code = generate(function, record_faults=False)
    with Emulator("interp").load(assemble([code], {}, None), function.name, {}) as loaded:
        result = loaded.run(Input(ctx=bytes(context)))
    assert result.fault is None
    assert result.r0 == evaluate(function, context, {})
    assert result.ctx == bytes(context)
    assert (code.stack > 0) is (live > 8)  # the context and a running total need a register each
    assert code.stack % 8 == 0


def test_more_than_the_stack_holds_is_an_error_with_its_size() -> None:
    with pytest.raises(CompileError) as caught:
        generate(_pressure(90), record_faults=False)
    assert caught.value.diags[0].code == "E071"
    assert "needs 6" in caught.value.diags[0].message
    assert "the limit is 512" in caught.value.diags[0].message


def test_only_machine_registers_are_left_and_calls_find_nothing_in_theirs() -> None:
    calls = 0
    for seed in range(FUNCTIONS):
        lowered = select(Generator(seed, subprograms=True).make(), None)
        alloc.allocate(lowered)
        out = live_out(lowered)
        for block in lowered.blocks:
            for one, live in backwards(block, out[block]):
                assert {one.dst, one.src} <= {*ALLOCATABLE, R10}, one
                assert R10 not in one.defs(), one
                if one.is_call:
                    calls += 1
                    assert not live & set(CLOBBERED) - {R0}, f"function {seed}: {live} after a call"
        entry = lowered.blocks[0]
        first, behind = list(backwards(entry, out[entry]))[-1]
        assert (behind - first.defs()) | first.uses() <= {R1, R10}, f"function {seed} reads what nothing wrote"
    print(f"{calls} calls looked at")
    assert calls >= 30


def _executed(spec: ObjectSpec, name: str, seed: int) -> Seen | None:
    """Every outcome of the code, or None where the machine faults."""
    seen: Seen = []
    for context in contexts(seed):
        with Emulator("interp", BUDGET).load(spec, name, {MAP.name: []}) as loaded:
            result = loaded.run(Input(ctx=bytes(context)))
            if result.fault is not None:
                return None
            seen.append((result.r0, result.ctx, [value for _, value in loaded.read_map(MAP.name)]))
    return seen


def _spec(function: Function, lowered: LirFunction) -> ObjectSpec:
    insns, lines = layout(lowered)
    return assemble([Code(function, insns, lines, lowered.stack)], {MAP.name: Array(u64, MAP.max_entries)}, None)


class Plant:
    """Stands in the place of the check: gives one virtual register another machine register, then has it checked."""

    def __init__(self, chooser: random.Random) -> None:
        self.chooser = chooser
        self.found: BadAllocation | None = None

    def __call__(self, function: LirFunction, colours: dict[int, int]) -> None:
        victim = self.chooser.choice([one for one in colours if one >= VIRTUAL])
        colours[victim] = self.chooser.choice([one for one in ALLOCATABLE if one != colours[victim]])
        try:
            verify(function, colours)
        except BadAllocation as error:
            self.found = error


def test_planted_errors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever register is made wrong: either the check says so, or the code still means the same."""
    seen: Counter[str] = Counter()
    for seed in range(FUNCTIONS):
        function = Generator(seed).make()
        want = meaning(function, seed)
        for place in range(PLANTS):
            plant = Plant(random.Random(seed * PLANTS + place))
            monkeypatch.setattr(alloc, "verify", plant)
            lowered = select(Generator(seed).make(), None)
            alloc.allocate(lowered)
            if plant.found is not None:
                seen["found"] += 1
                assert f"{function.name}, " in str(plant.found)
                assert " reads v" in str(plant.found)
            else:
                got = _executed(_spec(function, lowered), function.name, seed)
                assert got == want, f"function {seed}, plant {place}: a wrong register that the check lets pass"
                seen["harmless"] += 1
    print(f"planted: {dict(seen)}")
    assert seen["found"] >= FUNCTIONS * PLANTS // 4


A, B, C = VIRTUAL, VIRTUAL + 1, VIRTUAL + 2


def _loads(*registers: int) -> list[Lir]:
    return [Lir("ldx64", register, R1, 8 * place) for place, register in enumerate(registers)]


RESULT_OF_A = [Lir("mov64_x", R0, A), Lir("exit")]


@pytest.mark.parametrize(
    ("name", "insns", "colours", "message"),
    [
        ("overwritten", [*_loads(A, B), *RESULT_OF_A], {A: 2, B: 2}, f"mov64_x reads v{A} in r2, which holds [{B}]"),
        ("across a call", [*_loads(A), Lir("call", src=0, imm=5), *RESULT_OF_A], {A: 3}, f"reads v{A} in r3"),
        ("never written", RESULT_OF_A, {A: 2}, f"mov64_x reads v{A} in r2, which holds nothing"),
        ("by its neighbour", [*_loads(A, B), Lir("add64_x", B, A), *RESULT_OF_A], {A: 2, B: 2}, f"add64_x reads v{A}"),
        ("as an address", [*_loads(A, B), Lir("stx64", A, B), *RESULT_OF_A], {A: 4, B: 4}, f"stx64 reads v{A}"),
        ("by arithmetic on a copy", [*_loads(A), Lir("mov64_x", B, A), Lir("add64_k", B, imm=1), *RESULT_OF_A],
         {A: 6, B: 6}, f"mov64_x reads v{A} in r6, which holds [{B}]"),
    ],
)  # fmt: skip
def test_each_kind_of_error_is_named(name: str, insns: list[Lir], colours: dict[int, int], message: str) -> None:
    with pytest.raises(BadAllocation) as caught:
        verify(LirFunction(name, [LirBlock("b0", insns)]), colours)
    assert str(caught.value).startswith(f"{name}, b0: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("insns", "colours"),
    [
        ([*_loads(A, B), *RESULT_OF_A], {A: 2, B: 3}),
        ([*_loads(A), Lir("mov64_x", B, A), *RESULT_OF_A], {A: 2, B: 2}),  # a copy is the value itself
        ([*_loads(A), Lir("call", src=0, imm=5), *RESULT_OF_A], {A: 6}),
        ([*_loads(B), Lir("mov64_x", A, B), Lir("mov64_x", C, A), *RESULT_OF_A], {A: 5, B: 5, C: 5}),
    ],
)
def test_what_is_right_passes(insns: list[Lir], colours: dict[int, int]) -> None:
    verify(LirFunction("right", [LirBlock("b0", insns)]), colours)


def test_a_value_must_arrive_by_every_way() -> None:
    """One arm of a diamond leaves the value in its register, the other one destroys it."""
    after = LirBlock("after", list(RESULT_OF_A))
    spared = LirBlock("spared", [Lir("mov64_k", B, imm=1), Lir("ja", target=after)])
    destroyed = LirBlock("destroyed", [Lir("mov64_k", C, imm=1), Lir("ja", target=after)])
    entry = LirBlock("entry", [*_loads(A), Lir("jeq64_k", A, target=spared), Lir("ja", target=destroyed)])
    function = LirFunction("diamond", [entry, spared, destroyed, after])
    verify(function, {A: 2, B: 3, C: 3})
    with pytest.raises(BadAllocation, match=f"diamond, after: mov64_x reads v{A} in r2"):
        verify(function, {A: 2, B: 3, C: 2})


@pytest.mark.parametrize("exchanged", [False, True])
def test_what_only_one_way_writes_is_not_there_after_both(exchanged: bool) -> None:
    """Where ways meet a register holds what it holds on all of them: here A on both, its copy B on one."""
    after = LirBlock("after", [Lir("mov64_x", R0, B), Lir("exit")])
    copied = LirBlock("copied", [Lir("mov64_x", B, A), Lir("ja", target=after)])
    plain = LirBlock("plain", [Lir("ja", target=after)])
    first, second = (plain, copied) if exchanged else (copied, plain)
    entry = LirBlock("entry", [*_loads(A), Lir("jeq64_k", A, target=first), Lir("ja", target=second)])
    with pytest.raises(BadAllocation, match=f"one, after: mov64_x reads v{B} in r2, which holds"):
        verify(LirFunction("one", [entry, copied, plain, after]), {A: 2, B: 2})


def test_a_copy_is_not_the_value_after_the_value_changed() -> None:
    """B keeps what A was; brought back into A's register, it is not A."""
    changed = [*_loads(A), Lir("mov64_x", B, A), Lir("add64_k", A, imm=1), Lir("mov64_x", C, B)]
    function = LirFunction("old", [LirBlock("b0", [*changed, *RESULT_OF_A])])
    verify(function, {A: 2, B: 3, C: 4})
    with pytest.raises(BadAllocation, match=f"old, b0: mov64_x reads v{A} in r2, which holds"):
        verify(function, {A: 2, B: 3, C: 2})


def test_a_value_must_survive_the_way_round_a_loop() -> None:
    body, end = LirBlock("body"), LirBlock("end", list(RESULT_OF_A))
    body.insns = [Lir("add64_k", A, imm=1), Lir("mov64_k", B, imm=0), Lir("jne64_k", A, target=body),
                  Lir("ja", target=end)]  # fmt: skip
    function = LirFunction("loop", [LirBlock("entry", [*_loads(A), Lir("ja", target=body)]), body, end])
    verify(function, {A: 7, B: 8})
    with pytest.raises(BadAllocation, match="loop, body: jne64_k reads"):
        verify(function, {A: 7, B: 7})


SPILL_ERRORS = ("reload from another slot", "reload left out", "store into another slot", "store left out")


@pytest.mark.parametrize("kind", SPILL_ERRORS)
def test_planted_errors_of_spills_are_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = 0
    for seed in range(FUNCTIONS):
        chooser = random.Random(seed)
        wrong: list[Lir] = []

        def spill(
            function: LirFunction,
            registers: list[list[int]],
            chooser: random.Random = chooser,
            wrong: list[Lir] = wrong,
        ) -> set[int]:
            made = spilling.spill(function, registers)
            op = "ldx64" if kind.startswith("reload") else "stx64"
            places = [(block, one) for block in function.blocks for one in block.insns if one.spill and one.op == op]
            if places and not wrong:
                block, one = chooser.choice(places)
                wrong.append(one)
                one.off -= 8
                if kind.endswith("left out"):
                    block.insns.remove(one)
            return made

        monkeypatch.setattr(alloc, "spill", spill)
        lowered = select(Generator(seed).make(), None)
        try:
            alloc.allocate(lowered)
        except BadAllocation:
            planted += 1
        else:
            assert not wrong, f"function {seed}: {kind}"
    print(f"{planted} spills with an error: {kind}")
    assert planted >= 10


@pytest.mark.parametrize("lost", sorted(CLOBBERED)[1:3])
def test_a_call_must_find_its_arguments(lost: int) -> None:
    arguments = [Lir("lddw_map", 1, symbol="m"), Lir("mov64_x", 2, R10)]
    call = [Lir("call", src=2, imm=1), Lir("exit")]
    right = LirFunction("f", [LirBlock("b0", [*_loads(A), *arguments, *call])])
    verify(right, {A: lost})
    wrong = LirFunction("f", [LirBlock("b0", [*arguments, Lir("mov64_k", A, imm=1), *call])])
    with pytest.raises(BadAllocation, match=f"f, b0: call reads r{lost} in r{lost}, which holds"):
        verify(wrong, {A: lost})
