"""The Python-source tier: each expression is the table's, programs end as on the reference tier, faults are placed."""

from __future__ import annotations

import itertools
import random

import pytest

from bpfvm.core.bits import M64, mask
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import INTERP, PORTABLE, Emulator
from bpfvm.emulator.portable import expressions, runtime
from bpfvm.emulator.portable.kinds import ADDRESS, NUMBER, Analysis, Kind, State, number, up_to
from bpfvm.isa.asm import assemble
from bpfvm.isa.cfg import control_flow
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, Op, alu, taken
from bpfvm.isa.ops import Kind as Does
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

EDGES = (0, 1, 31, 64, 0x80, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x0123_4567_89AB_CDEF, 1 << 63, M64 - 1, M64)
IMMEDIATES = (0, 1, 31, 63, 0x7FFF_FFFF, -1, -2, -0x8000_0000)
NAMES = {"SDIV": expressions.sdiv, "SMOD": expressions.smod, "BE": expressions.swapped_bytes}
MAPS = {"m": MapSpec("m", "array", 4, 8, 3)}


def known(value: int) -> list[Kind]:
    """What an analysis may know of a register that holds `value`."""
    return [NUMBER, number(value), up_to(next(top for top in (0xFF, 0xFFFF, 0xFFFF_FFFF, M64) if value <= top))]


def evaluated(text: str, a: int, b: int) -> int:
    result: int = eval(text, NAMES, {"r1": a, "r2": b})
    return result


def cases(op_name: str, uses_imm: bool) -> list[tuple[Insn, int, int]]:
    if uses_imm:
        return [(insn(op_name, 1, imm=imm), a, imm & M64) for a, imm in itertools.product(EDGES, IMMEDIATES)]
    return [(insn(op_name, 1, 2), a, b) for a, b in itertools.product(EDGES, EDGES)]


@pytest.mark.parametrize("op", [op for op in OPS if op.kind is Does.ALU], ids=lambda op: op.name)
def test_every_operation_is_the_tables(op: Op) -> None:
    compared = 0
    for one, a, b in cases(op.name, op.operand == "imm"):
        if "imm" in op.uses and not one.imm and op.name.startswith(("div", "mod", "sdiv", "smod")):
            continue  # refused at load
        want = alu(op, a, b)
        for left, right in zip(known(a), known(b), strict=True):
            after = _after(one, left, right)
            text = expressions.value(one, left, right, after)
            assert evaluated(text, a, b) == want, f"{op.name} {a:#x}, {b:#x}: {text}"
            assert want <= after.top, f"{op.name} {a:#x}, {b:#x}: {want:#x} is over {after.top:#x}"
            compared += 1
    assert compared >= 200


@pytest.mark.parametrize("name", ["add64", "sub64"])
@pytest.mark.parametrize("tag", ["stack", "ctx", "packet", "value", "value?", "record", "record?", "map"])
def test_no_pointer_is_over_its_bound(tag: str, name: str) -> None:
    """Which addresses are not masked by: compiled code would leave the emulated memory."""
    moves = [(insn(f"{name}_x", 1, 2), right, b) for b in EDGES for right in known(b)]
    moves += [(insn(f"{name}_k", 1, imm=imm), NUMBER, imm & M64) for imm in IMMEDIATES]
    for (one, right, b), address, off in itertools.product(moves, (0, 1 << 20, ADDRESS), (0, 8, None)):
        after = _after(one, Kind(tag, ADDRESS, off), right)
        moved = (address + b if name == "add64" else address - b) & M64
        assert moved <= after.top, f"{address:#x} {name} {b:#x}: {moved:#x} is over {after.top:#x}"


def _after(one: Insn, left: Kind, right: Kind) -> Kind:
    program = [one, insn("mov64_k", 0), insn("exit")]
    state = State([NUMBER, left, right, *[NUMBER] * 8])
    Analysis(control_flow(program), program, [0, 1, 2, 3], {}, (), track=True).step(state, one, 0)
    return state.regs[1]


@pytest.mark.parametrize("op", [op for op in OPS if op.kind is Does.JUMP], ids=lambda op: op.name)
def test_every_jump_is_the_tables(op: Op) -> None:
    for one, a, b in cases(op.name, op.operand == "imm"):
        want = taken(op, a, b)
        for left, right in zip(known(a), known(b), strict=True):
            text = expressions.test(one, left, right)
            assert bool(evaluated(text, a, b)) == want, f"{op.name} {a:#x}, {b:#x}: {text}"


def both(text: str, type: str = "syscall", budget: int = 10_000) -> tuple[Result, Result]:
    spec = ObjectSpec({"p": ProgramSpec("p", type, type, tuple(assemble(text)))}, MAPS)
    given = Input(packet=bytes(range(64))) if type == "xdp" else Input(ctx=bytes(range(16)))
    results = []
    for name in EMULATORS:
        with Emulator(name, budget).load(spec, "p", {}) as loaded:
            results.append(loaded.run(given))
    return results[0], results[1]


LOOKUP = "r1 = map[m]\n r2 = r10\n r2 += -4\n *(u32 *)(r2 +0) = {}\n call 1\n if r0 == 0 goto out\n"
SAME = [
    ("r0 = *(u32 *)(r1 +14)\n exit", "syscall"),
    ("r0 = *(u64 *)(r10 +0)\n exit", "syscall"),
    ("*(u8 *)(r10 -513) = 1\n exit", "syscall"),
    ("r2 = 0\n r0 = *(u8 *)(r2 +0)\n exit", "syscall"),
    ("r1 = map[m]\n r0 = *(u64 *)(r1 +0)\n exit", "syscall"),
    (LOOKUP.format(1) + "r0 = *(u64 *)(r0 +8)\n out: exit", "syscall"),
    (LOOKUP.format(7) + "r0 = 0\n exit\n out: r0 = *(u64 *)(r0 +8)\n exit", "syscall"),
    ("r1 = map[m]\n r2 = r10\n r2 += -4\n *(u32 *)(r2 +0) = 7\n call 1\n r0 = *(u64 *)(r0 +8)\n exit", "syscall"),
    ("r3 = 1\n lock *(u32 *)(r10 -7) += r3\n exit", "syscall"),
    ("r0 = r3\n exit", "syscall"),
    ("call 4000\n exit", "syscall"),
    ("f: call f\n exit", "syscall"),
    ("r2 = *(u32 *)(r1 +0)\n r0 = *(u32 *)(r2 +62)\n exit", "xdp"),
    ("r2 = *(u32 *)(r1 +0)\n *(u16 *)(r2 +63) = 7\n exit", "xdp"),
    ("r6 = 9\n loop: r6 += -1\n if r6 != 0 goto loop\n r2 = *(u32 *)(r1 +0)\n r0 = *(u8 *)(r2 +70)\n exit", "xdp"),
    ("call f\n exit\n f: r6 = 3\n g: r6 += -1\n if r6 != 0 goto g\n r0 = *(u8 *)(r6 +0)\n exit", "syscall"),
]


@pytest.mark.parametrize(("text", "type"), SAME)
def test_faults_are_told_alike_and_in_their_place(text: str, type: str) -> None:
    one, two = both(text, type)
    assert one.fault is not None
    assert one.fault == two.fault
    assert one.insns == two.insns


def test_an_endless_loop_ends_by_the_budget() -> None:
    one, two = both("goto pc-1")
    assert one.fault is not None
    assert two.fault is not None
    assert (one.fault.kind, one.fault.message) == (two.fault.kind, two.fault.message)
    _, two = both("r6 = 0\n loop: r6 += 1\n call f\n goto loop\n f: r0 = 0\n exit")
    assert two.fault is not None
    assert 10_000 <= two.insns <= 10_100


def test_pointers_kept_in_stack_slots_are_followed_and_forgotten() -> None:
    text = """
    r2 = *(u32 *)(r1 +0)
    *(u64 *)(r10 -8) = r2
    *(u8 *)(r10 -8) = 0
    r3 = *(u64 *)(r10 -8)
    r3 += 256
    r0 = *(u8 *)(r3 +5)
    exit
    """
    one, two = both(text, "xdp")
    assert (one.r0, one.fault, one.insns) == (two.r0, two.fault, two.insns)


def test_deep_nests_and_many_labels() -> None:
    """Chains of tests whose other side goes on: more than CPython's levels of indentation."""
    source = random.Random(7)
    lines = ["r2 = *(u64 *)(r1 +0)", "r0 = 0"]
    for number_ in range(300):
        lines += [f"if r2 == {source.randrange(1000)} goto a{number_}", "r0 += 1", "exit", f"a{number_}: r0 += 2"]
    one, two = both("\n".join([*lines, "exit"]))
    assert (one.r0, one.insns) == (two.r0, two.insns)


def test_programs_that_may_read_a_register_never_written_run_on_the_reference_tier() -> None:
    text = "if r1 != 0 goto a\n r3 = 1\n a: r0 = r3\n exit"
    one, two = both(text)
    assert one.fault is not None
    assert one.fault == two.fault
    assert PORTABLE.name == "portable"
    assert INTERP.name == "interp"


def test_the_width_of_every_view_is_known() -> None:
    assert [mask(8 * size) for size in (2, 4, 8)] == [0xFFFF, 0xFFFF_FFFF, M64]
    assert runtime.FILE.startswith("<")
