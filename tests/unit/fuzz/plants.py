"""Machines that are wrong in one thing each: the reference tier with a row or a step of it spoiled.

Most are faults that emulators and JIT compilers were shipped with: 32-bit results that are not zero-extended, counts of
shifts that are not cut, divisions by 0, immediates that lose their sign, registers that a JIT uses for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bpfvm.core.bits import M32, M64, signed
from bpfvm.core.machine import Entries
from bpfvm.emulator import Emulator
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.code import Step
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.fuzz.trace import BUDGET
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, Kind
from bpfvm.obj.model import ObjectSpec
from bpfvm.run.backend import Loaded

RIGHT = Emulator("interp", BUDGET)

Change = Callable[[Insn], Insn]
After = Callable[[Interpreter, Step, list[object]], None]  # (tier, step, registers before it)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The reference tier on programs whose instructions `change` has changed."""

    name: str
    change: Change

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        old = spec.programs[program]
        new = replace(old, insns=tuple(self.change(one) for one in old.insns))
        return RIGHT.load(replace(spec, programs={program: new}), program, maps)


class Spoiled(Emulator):
    """The reference tier with something done after each of its rarer instructions."""

    def __init__(self, name: str, after: After) -> None:
        super().__init__("interp", BUDGET)
        self.name, self.after = name, after

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        return _Spoiled(system, table, self.budget, self.after)


class _Spoiled(Interpreter):
    def __init__(self, system: System, table: Mapping[int, Helper], budget: int, after: After) -> None:
        super().__init__(system, table, budget)
        self._after = after

    def _other(self, step: Step, executed: int) -> int:
        before: list[object] = list(self.registers)
        slot = super()._other(step, executed)
        self._after(self, step, before)
        return slot


def value(name: str, compute: Callable[[int, int, int], int], bits: int | None = None) -> Change:
    """The row computes something else, of all 64 bits where `bits` says so."""
    op = BY_NAME[name]
    wrong = replace(op, value=compute, bits=bits or op.bits)
    return lambda one: replace(one, op=wrong) if one.op is op else one


def row(name: str, other: str) -> Change:
    """The row does what another one does, on the same operands."""
    new = BY_NAME[other]

    def change(one: Insn) -> Insn:
        return replace(one, op=new, imm=new.imm_is or one.imm) if one.op.name == name else one

    return change


def unsigned(name: str) -> Change:
    """The row's immediate is not sign-extended."""
    return lambda one: replace(one, imm=one.imm & M32) if one.op.name == name else one


def _fetch_from_r0(one: Insn) -> Insn:
    """A fetching operation whose base is r0 fetches nothing."""
    if one.op.fetches and one.dst == 0 and one.op.name == "atomic_fetch_and64":
        return Insn(BY_NAME["atomic_and64"], one.dst, one.src, one.off, BY_NAME["atomic_and64"].imm_is or 0)
    return one


def _shift_by_r4(one: Insn) -> Insn:
    """A shift of r4 by another register is lost."""
    return insn("mov64_x", 4, 4) if one.op.name == "lsh64_x" and one.dst == 4 and one.src != 4 else one


def _multiply_r3(one: Insn) -> Insn:
    """A product goes wrong where both factors are r3."""
    return insn("add64_x", 3, 3) if one.op.name == "mul64_x" and one.dst == one.src == 3 else one


def _short_wide(one: Insn) -> Insn:
    """A wide load loads the sign-extended low half."""
    return replace(one, imm=signed(one.imm, 32) & M64) if one.op.name == "lddw" else one


def _taken_may_goto(one: Insn) -> Insn:
    return insn("ja", off=one.off) if one.op.kind is Kind.MAY_GOTO else one


def _upper_after_exchange(tier: Interpreter, step: Step, before: list[object]) -> None:
    """A 32-bit compare-and-exchange leaves the upper half of r0."""
    old, now = before[0], tier.registers[0]
    if step.op.name == "atomic_cmpxchg32" and isinstance(old, int) and isinstance(now, int):
        tier.registers[0] = old & ~M32 | now


def _upper_after_fetch(tier: Interpreter, step: Step, before: list[object]) -> None:
    """A 32-bit fetch-and-add leaves the upper half of its register."""
    if step.op.name == "atomic_fetch_add32" and step.src is not None:
        old, now = before[step.src], tier.registers[step.src]
        if isinstance(old, int) and isinstance(now, int):
            tier.registers[step.src] = old & ~M32 | now


def _spoiled_r7(tier: Interpreter, step: Step, before: list[object]) -> None:
    """A function's r7 comes back to its caller."""
    if step.kind is Kind.EXIT and isinstance(tier.registers[7], int) and isinstance(before[7], int):
        tier.registers[7] = before[7]


def _short_result(tier: Interpreter, step: Step, before: list[object]) -> None:
    """A function returns 32 bits."""
    if step.kind is Kind.EXIT and isinstance(tier.registers[0], int):
        tier.registers[0] &= M32


def _short_errno(tier: Interpreter, step: Step, before: list[object]) -> None:
    """A helper's error is not sign-extended."""
    if step.op.name == "call" and isinstance(tier.registers[0], int):
        tier.registers[0] &= M32


def _floor_divided(d: int, s: int, bits: int) -> int:
    return signed(d, bits) // signed(s, bits) if s else 0


def _wide_rest(d: int, s: int, bits: int) -> int:
    return (d & M32) % (s & M32) if s & M32 else d


def _floor_rest(d: int, s: int, bits: int) -> int:
    return signed(d, bits) % signed(s, bits) if s else d


REWRITTEN: Mapping[str, Change] = {
    "arsh32 without the sign": value("arsh32_k", lambda d, s, bits: d >> (s & 31)),
    "mod32 by 0 gives 0": value("mod32_x", lambda d, s, bits: d % s if s else 0),
    "mod32 by 0 leaves the upper half": value("mod32_x", _wide_rest, 64),
    "div64 by 0 gives all ones": value("div64_x", lambda d, s, bits: d // s if s else M64),
    "div64 is signed": row("div64_x", "sdiv64_x"),
    "sdiv64 rounds down": value("sdiv64_x", _floor_divided),
    "smod32 has the divisor's sign": value("smod32_x", _floor_rest),
    "mov32 moves 64 bits": row("mov32_x", "mov64_x"),
    "movs8 does not extend the sign": value("movs8_64", lambda d, s, bits: s & 0xFF),
    "le16 does nothing": value("le16", lambda d, s, bits: d),
    "be32 leaves the upper half": value("be32", lambda d, s, bits: d & ~M32 | int.from_bytes(
        (d & M32).to_bytes(4, "big"), "little")),
    "bswap64 swaps halves only": value("bswap64", lambda d, s, bits: d >> 32 | d << 32),
    "lsh64 does not cut its count": value("lsh64_x", lambda d, s, bits: d << s if s < 64 else 0),
    "rsh32 cuts its count to 6 bits": value("rsh32_x", lambda d, s, bits: d >> (s & 63)),
    "shift of r4 by a register is lost": _shift_by_r4,
    "product of r3 and r3": _multiply_r3,
    "neg32 negates 64 bits": row("neg32", "neg64"),
    "xor64 immediate without its sign": unsigned("xor64_k"),
    "jgt64 immediate without its sign": unsigned("jgt64_k"),
    "jset32 tests 64 bits": row("jset32_k", "jset64_k"),
    "jeq32 compares 64 bits": row("jeq32_x", "jeq64_x"),
    "jsgt64 is unsigned": row("jsgt64_k", "jgt64_k"),
    "jle64 is less than": row("jle64_x", "jlt64_x"),
    "may_goto is taken": _taken_may_goto,
    "lddw loads 32 bits": _short_wide,
    "st64 immediate without its sign": unsigned("st64"),
    "ldsx16 does not extend the sign": row("ldsx16", "ldx16"),
    "ldx32 extends the sign": row("ldx32", "ldsx32"),
    "stx16 stores a byte": row("stx16", "stx8"),
    "load_acquire8 extends the sign": row("load_acquire8", "ldsx8"),
    "store_release32 stores 16 bits": row("store_release32", "store_release16"),
    "fetch_and of memory at r0 fetches nothing": _fetch_from_r0,
    "fetch_xor64 is or": row("atomic_fetch_xor64", "atomic_fetch_or64"),
    "xchg64 does not write its register": row("atomic_xchg64", "store_release64"),
    "or32 is and": row("atomic_or32", "atomic_and32"),
}  # fmt: skip

SPOILED: Mapping[str, After] = {
    "cmpxchg32 leaves the upper half of r0": _upper_after_exchange,
    "fetch_add32 leaves the upper half": _upper_after_fetch,
    "a call spoils r7": _spoiled_r7,
    "a function returns 32 bits": _short_result,
    "a helper's error is 32 bits": _short_errno,
}

PLANTS: tuple[Rewritten | Spoiled, ...] = (
    *(Rewritten(name, change) for name, change in REWRITTEN.items()),
    *(Spoiled(name, after) for name, after in SPOILED.items()),
)
