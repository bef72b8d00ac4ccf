"""Programs as bytes: what the verifier says to fields that no instruction has, before its walk and during it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT, decode
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import ALU, ALU64, ATOMIC, BY_CODE, BY_NAME, JMP, JMP32, LD, LDX, MEM, MEMSX, SIZES, ST, STX, Op

_SLOT = struct.Struct("<BBhi")
_WIDE = 0x18
_MODE = 0xE0
_MAPS = (1, 5)  # src of wide instructions that name a map alone
_NEWER = frozenset({"gotox", "callx"})  # rows that 6.18 does not have
_NOTHING = BY_NAME["mov64_k"]


@dataclass(slots=True)
class Raw:
    """insns: with a stand-in for what is none. early: slot -> words, for what is refused before the walk. bad: slot ->
    words, for what is refused where it is walked."""

    insns: list[Insn] = field(default_factory=list)
    early: dict[int, str] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)


def read(code: bytes, symbols: Mapping[int, str] | None = None) -> Raw:
    """The instructions of `code`, with the names of the maps at `symbols`."""
    raw = Raw()
    at = 0
    while at < len(code):
        one = _read_one(raw, code, at)
        name = (symbols or {}).get(at // SLOT)
        raw.insns.append(one if name is None else replace(one, symbol=name))
        at += SLOT * one.width
    return raw


def _read_one(raw: Raw, code: bytes, at: int) -> Insn:
    size = 2 * SLOT if code[at] == _WIDE else SLOT
    try:
        one = decode(code[at : at + size])[0]
    except LoadError:
        return _odd(raw, code, at)
    if one.op.name in _NEWER:
        raw.early[at // SLOT] = f"unknown opcode {code[at]:02x}"
        return Insn(_NOTHING)
    return one


def _odd(raw: Raw, code: bytes, at: int) -> Insn:
    """A slot that the strict decoder does not take."""
    opcode, regs, off, imm = _SLOT.unpack_from(code, at)
    dst, src = regs & 15, regs >> 4
    slot, cls = at // SLOT, opcode & 7
    if cls == LDX and (opcode & _MODE not in (MEM, MEMSX) or imm):
        raw.early[slot] = "BPF_LDX uses reserved fields"
        return Insn(_NOTHING)
    if opcode == _WIDE:
        return _wide(raw, code, at, dst, src, off)
    if opcode not in BY_CODE or BY_CODE[opcode][0].name in _NEWER:
        raw.early[slot] = f"unknown opcode {opcode:02x}"
        return Insn(_NOTHING)
    row = _row(opcode, src)
    high = max(dst, src if "src" in row.uses else 0)
    if _unused(row, dst, src, off, imm):
        raw.bad[slot] = _reserved(opcode, imm)
    elif high > 10:
        raw.bad[slot] = f"R{high} is invalid"
    return Insn(row, min(dst, 10), min(src, 10), off, imm)


def _row(opcode: int, src: int) -> Op:
    rows = BY_CODE[opcode]
    return next((row for row in rows if row.src_is == src), rows[0])


def _unused(row: Op, dst: int, src: int, off: int, imm: int) -> bool:
    """Whether a field is set that the instruction does not use. Of exit the kernel does not look at the offset."""
    fields = {"dst": dst, "src": src, "off": 0 if row.name == "exit" else off, "imm": imm}
    for name, value in fields.items():
        selected = getattr(row, f"{name}_is", None)
        if name not in row.uses and value != (selected or 0):
            return True
    return False


def _wide(raw: Raw, code: bytes, at: int, dst: int, src: int, off: int) -> Insn:
    slot = at // SLOT
    rest = code[at + SLOT : at + 2 * SLOT]
    if len(rest) < SLOT or any(rest[:4]):
        raw.early[slot] = "invalid bpf_ld_imm64 insn"
        return Insn(_NOTHING)
    high = int.from_bytes(rest[4:], "little")
    row = next((op for op in BY_CODE[_WIDE] if op.src_is == src), None)
    if row is None or (src in _MAPS and high):
        raw.early[slot] = "unrecognized bpf_ld_imm64 insn"
        row = BY_CODE[_WIDE][0]
    elif off or dst > 10:
        raw.bad[slot] = "BPF_LD_IMM64 uses reserved fields" if off else f"R{dst} is invalid"
    imm = int.from_bytes(code[at + 4 : at + SLOT], "little") & M32 | high << 32
    return Insn(row, min(dst, 10), src, 0, imm)


def _reserved(opcode: int, imm: int) -> str:
    cls, operation = opcode & 7, opcode & 0xF0
    if cls in (ALU, ALU64):
        names = {0x80: "BPF_NEG", 0xB0: "BPF_MOV", 0xD0: "BPF_END"}
        return f"{names.get(operation, 'BPF_ALU')} uses reserved fields"
    if cls in (JMP, JMP32):
        names = {0x00: "BPF_JA", 0x80: "BPF_CALL", 0x90: "BPF_EXIT", 0xE0: "invalid may_goto insn"}
        return f"{names.get(operation, 'BPF_JMP/JMP32')} uses reserved fields"
    if cls == STX and opcode & _MODE == ATOMIC:
        known = any(row.imm_is == imm for row in BY_CODE[opcode & ~0x18 | SIZES[64]])
        return "invalid atomic operand size" if known else f"BPF_ATOMIC uses invalid atomic opcode {imm & M32:02x}"
    if cls in (ST, STX):
        return f"{'BPF_STX' if cls == STX else 'BPF_ST'} uses reserved fields"
    assert cls == LD, opcode
    return "BPF_LD_[ABS|IND] uses reserved fields"
