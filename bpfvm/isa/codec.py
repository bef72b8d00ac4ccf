"""Bytes to instructions and back, in either byte order.

A slot is 8 bytes (RFC 9669 section 3):

    byte  0       1            2..3     4..7
          opcode  src:4 dst:4  offset   immediate        (big-endian objects swap the two register halves)

Decoding is strict: an opcode or selector outside the table, a register above r10, a field that the operation does
not use and is not 0, and half a wide instruction are each a LoadError that names the slot.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32, M64, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import BY_CODE, RESERVED, Kind, Op, find

SLOT = 8
_SLOT = {"little": struct.Struct("<BBhi"), "big": struct.Struct(">BBhi")}


def decode(code: bytes, endian: str = "little") -> list[Insn]:
    """`code`: a whole number of slots. Raises LoadError for what is not an instruction of the table."""
    if len(code) % SLOT:
        raise LoadError(f"code of {octets(len(code))} is not a whole number of 8-byte instructions")
    insns: list[Insn] = []
    at = 0
    while at < len(code):
        one = _decode_one(code, at, endian)
        insns.append(one)
        at += SLOT * one.width
    return insns


def encode(insns: Iterable[Insn], endian: str = "little") -> bytes:
    """The bytes of `insns`. Operands must be in range: a field too large for its slot is a LoadError."""
    out = bytearray()
    for number, one in enumerate(insns):
        try:
            out += _encode_one(one, endian)
        except struct.error:
            raise LoadError(f"instruction {number} ({one.op.name}) has an operand too large for its field") from None
    return bytes(out)


def _decode_one(code: bytes, at: int, endian: str) -> Insn:
    opcode, regs, off, imm = _SLOT[endian].unpack_from(code, at)
    dst, src = (regs & 15, regs >> 4) if endian == "little" else (regs >> 4, regs & 15)
    slot = at // SLOT
    op = find(opcode, src, off, imm)
    if op is None:
        raise LoadError(_unknown(slot, opcode, src, off, imm))
    if op.kind is Kind.IMM64:
        imm = _wide_imm(code, at, endian, imm)
        if imm >> 32 and "high" not in op.uses:
            raise LoadError(f"instruction {slot} ({op.name}): the upper half of imm is {imm >> 32}, and must be 0")
    for name, value in (("dst", dst), ("src", src), ("off", off), ("imm", imm)):
        _check_field(op, slot, name, value)
    return Insn(op, dst, src, off, imm)


def _wide_imm(code: bytes, at: int, endian: str, low: int) -> int:
    slot = at // SLOT
    if at + 2 * SLOT > len(code):
        raise LoadError(f"instruction {slot}: the second half of this 64-bit load is missing")
    opcode, regs, off, high = _SLOT[endian].unpack_from(code, at + SLOT)
    if opcode or regs or off:
        raise LoadError(f"instruction {slot}: the second half of this 64-bit load has a field that is not 0")
    return (low & M32) | (int(high) & M32) << 32


def _check_field(op: Op, slot: int, name: str, value: int) -> None:
    selected = getattr(op, f"{name}_is", None) is not None
    if name in op.uses:
        if name in ("dst", "src") and value > 10:
            raise LoadError(f"instruction {slot} ({op.name}): there is no register r{value}")
    elif value and not selected:
        raise LoadError(f"instruction {slot} ({op.name}): {name} is {value}, and this operation does not use it")


def _unknown(slot: int, opcode: int, src: int, off: int, imm: int) -> str:
    rows = BY_CODE.get(opcode)
    if not rows:
        return f"instruction {slot}: unknown opcode {opcode:#04x}: {RESERVED[opcode]}"
    return (
        f"instruction {slot}: opcode {opcode:#04x} ({rows[0].name}) with src={src} off={off} imm={imm} has no meaning"
    )


def _encode_one(one: Insn, endian: str) -> bytes:
    op = one.op
    src = op.src_is if op.src_is is not None else one.src
    off = op.off_is if op.off_is is not None else one.off
    imm = op.imm_is if op.imm_is is not None else one.imm
    if not (0 <= one.dst <= 15 and 0 <= src <= 15):
        raise struct.error("a register takes 4 bits")
    regs = one.dst | src << 4 if endian == "little" else one.dst << 4 | src
    if op.kind is not Kind.IMM64:
        return _SLOT[endian].pack(op.code, regs, off, imm)
    if not 0 <= imm <= M64:
        raise struct.error("a wide immediate takes 64 bits")
    low, high = signed(imm, 32), signed(imm >> 32, 32)
    return _SLOT[endian].pack(op.code, regs, off, low) + _SLOT[endian].pack(0, 0, 0, high)
