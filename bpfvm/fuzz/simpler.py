"""Ways to say the same in a simpler form, each tried on the best case of a search.

What a program computed may be seen at once and not after stores, lookups and more arithmetic; a constant may stand for
a load, the stack for a map's value, a plain context for a packet, one register for two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.case import make
from bpfvm.fuzz.edit import Step, inserted, without
from bpfvm.fuzz.search import Search, reached
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, Kind

R0, R10 = 0, 10
_PROLOGUE = 6  # instructions in which a program of bpfvm.fuzz.generate looks for its packet
_ENDS = {"xdp": (0, 4), "sched_cls": (76, 80)}  # data and data_end in the context
_FRAME = 32  # bytes of stack that stand for a map's value
_FILLINGS = (0, -1, 0x5555_5555, -0x5555_5556)
_LOADS = (Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE)


def observe(search: Search) -> None:
    """End the program early, with what an instruction left in a register or in memory as its result."""
    at = 1
    while at <= len(search.insns) and not search.over:
        steps = search.steps
        shown = any(line.startswith("r0: ") for line in search.best.lines)
        for seen in _seen(steps[at - 1].insn):
            ending = [*seen, insn("exit")]
            saved = len(steps) - at - len(ending)
            if saved + (not shown) > 0 and search.better_steps(inserted(steps, at, ending), "r0: "):
                return
        at += 1


def inline(search: Search) -> None:
    """A function that is called as the whole program."""
    for target in sorted({step.target or 0 for step in search.steps if step.insn.op.name == "call_local"}):
        if search.better_steps(without(search.steps, 0, target)):
            return


def _seen(one: Insn) -> Iterator[list[Insn]]:
    """What puts a result of the instruction into r0."""
    kind = one.op.kind
    if kind is Kind.CALL or one.op.name.startswith("atomic_cmpxchg"):
        yield []
    elif kind in (Kind.ALU, *_LOADS) and one.op.name not in ("mov64_x", "mov64_k"):
        yield from _shown(one.dst)
    elif one.op.fetches:
        yield from _shown(one.src)
    if kind is Kind.STORE and one.op.operand == "src":
        yield from _shown(one.src)
    if kind in (Kind.STORE, Kind.STORE_RELEASE, Kind.ATOMIC):
        yield [insn(f"ldx{one.op.bits}", R0, one.dst, one.off)]


def _shown(register: int) -> Iterator[list[Insn]]:
    """The kernel shows the low half of r0, so the upper half is shown there too."""
    moved = [insn("mov64_x", R0, register)] if register != R0 else []
    yield moved
    yield [*moved, insn("rsh64_k", R0, imm=32)]


def on_stack(search: Search) -> None:
    """A map's value becomes stack, and a lookup its address."""
    at = 0
    while at < len(search.insns) and not search.over:
        one = search.insns[at]
        if one.op.name == "lddw_map_value" or one.op.name == "call":
            dst = R0 if one.op.kind is Kind.CALL else one.dst
            room = [insn("mov64_x", dst, R10), insn("add64_k", dst, imm=-_FRAME)]
            steps = without(inserted(search.steps, at, room), at + len(room), at + len(room) + 1)
            for filling in _FILLINGS:
                frame = [insn("st64", R10, 0, -word, filling) for word in range(8, _FRAME + 1, 8)]
                if search.better_steps(inserted(steps, 0, frame)):
                    return
        at += 1


def unpack(search: Search) -> None:
    """A packet program becomes one over a plain context, and does not look for the packet's end any more."""
    case = search.case
    ends = _ENDS.get(case.program.type)
    if ends is None or any(given.packet is None for given in case.inputs):
        return
    steps = search.steps
    for at in range(min(_PROLOGUE, len(steps)) - 1, -1, -1):
        one = steps[at].insn
        if one.op.kind is Kind.JUMP or (one.op.name == "ldx32" and one.off == ends[1]):
            steps = without(steps, at, at + 1)
        elif one.op.name == "ldx32" and one.off == ends[0]:
            steps[at] = Step(insn("mov64_x", one.dst, one.src))
    inputs = tuple(replace(given, packet=None, ctx=given.packet, fields={}) for given in case.inputs)
    try:
        insns = reached(steps)
    except LoadError:
        return
    search.better(make(case.name, "syscall", insns, inputs, tuple(case.spec.maps.values()), case.maps))


def merge(search: Search) -> None:
    """One register in place of two where one is a copy of the other."""
    at = 0
    while at < len(search.insns) and not search.over:
        steps = search.steps
        one = steps[at].insn
        if one.op.name == "mov64_x" and one.dst != one.src:
            renamed = [Step(_renamed(step.insn, one.dst, one.src), step.target) for step in steps]
            if search.better_steps(without(renamed, at, at + 1)):
                continue
        at += 1


def _renamed(one: Insn, old: int, new: int) -> Insn:
    dst = new if "dst" in one.op.uses and one.dst == old else one.dst
    src = new if "src" in one.op.uses and one.src == old else one.src
    return replace(one, dst=dst, src=src)


def exchange(search: Search) -> None:
    """Single instructions by simpler ones: a branch by a jump, anything that gives a number by a constant."""
    at = 0
    while at < len(search.insns) and not search.over:
        steps = search.steps
        for simpler in _simpler(steps[at]):
            if search.better_steps([*steps[:at], simpler, *steps[at + 1 :]]):
                break
        at += 1


def _simpler(step: Step) -> Iterator[Step]:
    one, kind = step.insn, step.insn.op.kind
    if kind in (Kind.JUMP, Kind.MAY_GOTO) or one.op.name == "gotol":
        yield Step(insn("ja"), step.target)
    elif (kind in (Kind.CALL, Kind.ALU, *_LOADS) and one.op.name not in ("mov64_k", "mov64_x")) or (
        one.op.name == "lddw"
    ):
        dst = R0 if kind is Kind.CALL else one.dst
        for imm in (0, 1, -1, -(1 << 31)):
            yield Step(insn("mov64_k", dst, imm=imm))
    elif kind is Kind.STORE and one.op.operand == "src":
        for imm in (0, -1):
            yield Step(insn(f"st{one.op.bits}", one.dst, 0, one.off, imm))
    if kind in (Kind.ALU, Kind.JUMP) and one.op.name.endswith("_x") and one.op.name[:-1] + "k" in BY_NAME:
        yield Step(insn(one.op.name[:-1] + "k", one.dst, imm=1), step.target)
