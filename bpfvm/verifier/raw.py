"""Programs as bytes: what the verifier says to fields that no instruction has, before and during its walk."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT, decode
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import ALU, ALU64, ATOMIC, BY_CODE, JMP, JMP32, LD, LDX, MEM, MEMSX, ST, STX, Kind, Op
from bpfvm.verifier.errors import Rejected

BAD = "bad "  # begins the name of an instruction that is refused where it is walked; the words follow
_SLOT = struct.Struct("<BBhi")
_WIDE = 0x18
_MODE = 0xE0


def read(code: bytes, symbols: Mapping[int, str] | None = None) -> list[Insn]:
    """The instructions of `code`, with the names of the maps at `symbols`. Rejected for what is none to the kernel."""
    insns: list[Insn] = []
    at = 0
    while at < len(code):
        one = _read_one(code, at)
        name = (symbols or {}).get(at // SLOT)
        insns.append(one if name is None else replace(one, symbol=name))
        at += SLOT * one.width
    return insns


def _read_one(code: bytes, at: int) -> Insn:
    size = 2 * SLOT if code[at] == _WIDE else SLOT
    try:
        return decode(code[at : at + size])[0]
    except LoadError:
        return _odd(code, at)


def _odd(code: bytes, at: int) -> Insn:
    """A slot that the strict decoder does not take."""
    opcode, regs, off, imm = _SLOT.unpack_from(code, at)
    dst, src = regs & 15, regs >> 4
    cls = opcode & 7
    if cls == LDX and (opcode & _MODE not in (MEM, MEMSX) or imm):
        raise Rejected("BPF_LDX uses reserved fields")
    if opcode == _WIDE:
        return _wide(code, at, dst, src, off)
    if opcode not in BY_CODE:
        raise Rejected(f"unknown opcode {opcode:02x}")
    row = BY_CODE[opcode][0]
    words = f"R{max(dst, src)} is invalid" if max(dst, src) > 10 and not _odd_fields(row, src, off, imm) else ""
    return Insn(_refused(row, words or _reserved(opcode, imm)), min(dst, 10), min(src, 10), off, imm)


def _odd_fields(row: Op, src: int, off: int, imm: int) -> bool:
    return any(value and name not in row.uses for name, value in (("src", src), ("off", off), ("imm", imm)))


def _wide(code: bytes, at: int, dst: int, src: int, off: int) -> Insn:
    rest = code[at + SLOT : at + 2 * SLOT]
    if len(rest) < SLOT or any(rest[:4]):
        raise Rejected("invalid bpf_ld_imm64 insn")
    if src > 6:
        raise Rejected("unrecognized bpf_ld_imm64 insn")
    imm = int.from_bytes(code[at + 4 : at + SLOT], "little") & M32 | int.from_bytes(rest[4:], "little") << 32
    row = next(op for op in BY_CODE[_WIDE] if op.src_is == src)
    words = "BPF_LD_IMM64 uses reserved fields" if off else f"R{dst} is invalid"
    return Insn(row, dst, src, 0, imm) if dst <= 10 and not off else Insn(_refused(row, words), 0)


def _refused(row: Op, words: str) -> Op:
    """A row that is refused where it is walked, but goes on as `row` does."""
    kind = row.kind if row.kind in (Kind.JUMP, Kind.GOTO, Kind.EXIT, Kind.IMM64) else Kind.ALU
    return replace(row, name=BAD + words, kind=kind)


def _reserved(opcode: int, imm: int) -> str:
    cls, operation = opcode & 7, opcode & 0xF0
    if cls in (ALU, ALU64):
        names = {0x80: "BPF_NEG", 0xB0: "BPF_MOV", 0xD0: "BPF_END"}
        return f"{names.get(operation, 'BPF_ALU')} uses reserved fields"
    if cls in (JMP, JMP32):
        names = {0x00: "BPF_JA", 0x80: "BPF_CALL", 0x90: "BPF_EXIT", 0xE0: "invalid may_goto insn"}
        return f"{names.get(operation, 'BPF_JMP/JMP32')} uses reserved fields"
    if cls == STX and opcode & _MODE == ATOMIC:
        return f"BPF_ATOMIC uses invalid atomic opcode {imm & 0xFF:02x}"
    if cls in (ST, STX):
        return f"{'BPF_STX' if cls == STX else 'BPF_ST'} uses reserved fields"
    assert cls == LD, opcode
    return "BPF_LD_[ABS|IND] uses reserved fields"
