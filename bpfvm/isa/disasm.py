"""Instructions to text, in the syntax of the kernel's verifier log and of bpftool: the templates of the table, filled.

Measured on 6.18 against the log of each row; `tests/unit/isa` compares with llvm-objdump. Three things are ours:

    r1 = 0x5 ll         the kernel leaves out "ll", and then only the hex number tells a wide load from a mov
    r1 = map[hits]+8    the kernel prints the address; by name where a relocation gave one, else map[#fd]
    kfunc[name]@0       the kernel prints kernel functions as it prints helpers

llvm-objdump 19 spells otherwise, for the same bytes:

    numbers in hex with their sign, also in lddw        r1 += -0x5    *(u64 *)(r1 - 0x8) = r2    goto -0x2 <.text+0x8>
    loads, stores, atomics under 64 bits name w         w1 = *(u32 *)(r2 + 0x0)    *(u8 *)(r2 + 0x0) = w1
    64-bit fetching atomics are not called atomic64     r1 = atomic_fetch_add((u64 *)(r2 + 0x0), r1)
    exchanges have a form of their own                  r1 = xchg_64(r2 + 0x0, r1)    w0 = cmpxchg32_32(…)
    every call is a number                              call 0x1    call -0x1
    a packet load of a register shows no displacement   r0 = *(u8 *)skb[r1]
    a symbol's load                                     ld_pseudo r1, 0x1, 0x5
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from bpfvm.core.bits import M16, M32, signed
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind

Namer = Callable[[int], "str | None"]

_PLACEHOLDER = re.compile(r"\{(\w)\}")


def text(one: Insn, *, helper: Namer | None = None, target: str | None = None) -> str:
    """One instruction.

    helper: what to print for a helper's number ("bpf_map_lookup_elem#1"); without it, or where it has none, "helper#1".
    target: the label of a jump, a local call or a function's address, in place of "pc+3".
    """
    return _PLACEHOLDER.sub(lambda found: _operand(one, found[1], helper, target), one.op.text)


def listing(
    insns: Sequence[Insn], *, helper: Namer | None = None, labels: Mapping[int, str] | None = None,
    source: Namer | None = None, note: Namer | None = None, raw: str | None = None,
) -> str:  # fmt: skip
    """One instruction a line behind its slot number, without a line end after the last.

    helper: as for `text`. labels: slot -> name, printed above the slot and as the target of jumps.
    source: what to print above a slot, behind "; ": its source text and place. note: what to print behind the
    instruction at a slot, after "; ". raw: the byte order ("little", "big") in which to show the bytes of each slot.
    `assemble` reads a listing without raw bytes back.
    """
    at = slots(insns)
    starts = set(at[:-1])
    named = {slot: name for slot, name in (labels or {}).items() if slot in starts}
    digits = len(str(max(at[-1] - 1, 0)))
    lines: list[str] = []
    for slot, one in zip(at, insns, strict=False):
        if slot in named:
            lines.append(f"{named[slot]}:")
        above = source(slot) if source is not None else None
        if above is not None:
            lines.append(f"; {above}")
        goal = target_slot(one, slot)
        words = [text(one, helper=helper, target=named.get(goal) if goal is not None else None)]
        behind = note(slot) if note is not None else None
        if behind is not None:
            words.append(f"; {behind}")
        columns = list(_raw(one, raw)) if raw is not None else []
        lines.append(" ".join([f"{slot:>{digits}}:", *columns[:1], *words]))
        lines += [f"{slot + half:>{digits}}: {column}" for half, column in enumerate(columns[1:], 1)]
    return "\n".join(lines)


def target_slot(one: Insn, slot: int) -> int | None:
    """Where the instruction at `slot` jumps, calls or points to within its program, or None."""
    reach = _reach(one)
    return slot + 1 + reach if reach is not None else None


def targets(insns: Sequence[Insn]) -> dict[int, str]:
    """Labels for `listing`: L1, L2 … in slot order, for every instruction that another one names."""
    at = slots(insns)
    goals = {target_slot(one, slot) for slot, one in zip(at, insns, strict=False)}
    return {slot: f"L{number}" for number, slot in enumerate((slot for slot in at[:-1] if slot in goals), 1)}


def _raw(one: Insn, endian: str) -> Iterator[str]:
    """The bytes of each slot, in hex."""
    data = encode([one], endian)
    return (data[start : start + SLOT].hex(" ") for start in range(0, len(data), SLOT))


def _operand(one: Insn, placeholder: str, helper: Namer | None, target: str | None) -> str:
    match placeholder:
        case "d" | "s":
            return _register(one, one.dst if placeholder == "d" else one.src)
        case "z":
            return "r0"
        case "i":
            return str(one.imm)
        case "x":
            return f"{one.imm & M32:#x}"
        case "l":
            return f"{one.imm:#x}"
        case "o":
            return f"{one.off:+d}"
        case "t":
            return target or one.symbol or f"pc{_reach(one):+d}"
        case "f":
            return (helper(one.imm) if helper is not None else None) or f"helper#{one.imm}"
        case "n":
            return _name(one)
        case "v" | "a" | "b":
            return str(_part(one, placeholder))
    raise AssertionError(f"the table has no placeholder {placeholder!r}")


def _part(one: Insn, placeholder: str) -> int:
    """Half of an immediate, or the offset that numbers a kernel function's BTF object."""
    if placeholder == "v":
        return one.off if one.op.kind is Kind.CALL else one.imm >> 32
    return one.imm >> 16 & M16 if placeholder == "a" else one.imm & M16


def _register(one: Insn, number: int) -> str:
    return f"w{number}" if one.op.bits == 32 and one.op.kind in (Kind.ALU, Kind.JUMP) else f"r{number}"


def _reach(one: Insn) -> int | None:
    """Slots from the next one; a function's address is counted from the second half of its load."""
    return signed(one.imm, 32) if one.op.name == "lddw_func" else one.jump


def _name(one: Insn) -> str:
    number = one.imm if one.op.kind is Kind.CALL else one.imm & M32
    return (one.symbol or "") + (f"#{number}" if number or not one.symbol else "")
