"""Arithmetic: on numbers, and of numbers to pointers."""

from __future__ import annotations

import functools
import re

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, S64_MAX, S64_MIN, signed
from bpfvm.isa.insn import Insn
from bpfvm.verifier.domain import tnum
from bpfvm.verifier.domain.regs import (
    COMMON,
    END,
    FLOW,
    MAP,
    PACKETS,
    SCALAR,
    SOCK,
    STACK,
    TCP,
    XSK,
    Reg,
    number,
    type_name,
    unknown,
)
from bpfvm.verifier.domain.scalar import compute, contradiction, extend32, fits, forget, sign_extend, swap, sync
from bpfvm.verifier.domain.stack import FAR, give_id
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.branch import push, settle

_STEM = re.compile(r"([a-z]+)\d+(?:_.*)?")
_FIXED = frozenset({END, SOCK, COMMON, TCP, XSK})  # pointers that no number is added to
_SIGNS = {"and": "&=", "or": "|=", "xor": "^=", "mul": "*=", "div": "/=", "mod": "%=", "lsh": "<<=", "rsh": ">>=",
          "arsh": "s>>=", "sdiv": "/=", "smod": "%=", "add": "+=", "sub": "-="}  # fmt: skip


@functools.cache
def _stem(name: str) -> str:
    found = _STEM.fullmatch(name)
    assert found is not None, name
    return found[1]


def alu(walk: Walk, one: Insn) -> None:
    """One arithmetic instruction."""
    name = _stem(one.op.name)
    if name == "movs":
        _move_signed(walk, one)
    elif name == "mov":
        _move(walk, one)
    elif name in ("le", "be", "bswap"):
        _swap(walk, one, name)
    elif name == "neg":
        _neg(walk, one)
    else:
        _binary(walk, one, name)
    _sane(walk, one.dst)


def _sane(walk: Walk, at: int) -> None:
    """Ranges that contradict one another say nothing."""
    reg = walk.state.regs[at]
    if reg.kind == SCALAR and contradiction(reg):
        reg = reg.copy()
        settle(walk, reg, "alu")
        walk.set(at, reg)


def _swap(walk: Walk, one: Insn, name: str) -> None:
    reg = walk.source(one.dst)
    walk.target(one.dst)
    if reg.kind != SCALAR:
        walk.set(one.dst, unknown())
        return
    new = reg.copy()
    new.id, new.added, new.off = 0, 0, 0
    swap(new, name, one.op.imm_is or 64)
    walk.set(one.dst, new)


def _neg(walk: Walk, one: Insn) -> None:
    reg = walk.source(one.dst)
    walk.target(one.dst)
    if reg.kind != SCALAR:
        walk.set(one.dst, unknown())
        return
    new = reg.copy()
    compute("neg", one.op.bits, new, reg)
    new.id, new.added = 0, 0
    walk.set(one.dst, new)


def _move(walk: Walk, one: Insn) -> None:
    if one.op.operand == "imm":
        walk.target(one.dst)
        walk.set(one.dst, number(one.imm if one.op.bits == 64 else one.imm & 0xFFFF_FFFF))
        return
    reg = walk.source(one.src)
    walk.target(one.dst)
    if one.op.bits == 64:
        walk.set(one.dst, give_id(walk, one.src))
        return
    if reg.kind != SCALAR:
        new = unknown()
    else:
        fits_word = reg.umax.bit_length() <= 32
        new = (give_id(walk, one.src) if fits_word else reg).copy()
        if not fits_word:
            new.id, new.added, new.off = 0, 0, 0
    extend32(new)
    sync(new)
    walk.set(one.dst, new)


def _move_signed(walk: Walk, one: Insn) -> None:
    reg = walk.source(one.src)
    walk.target(one.dst)
    width = one.op.off_is or 8
    if reg.kind != SCALAR:
        new = unknown()
    else:
        kept = reg.umax < 1 << (width - 1)
        new = (give_id(walk, one.src) if kept else reg).copy()
        if not kept:
            new.id, new.added, new.off = 0, 0, 0
        sign_extend(new, width // 8, one.op.bits)
    if one.op.bits == 32:
        extend32(new)
        sync(new)
    walk.set(one.dst, new)


def _binary(walk: Walk, one: Insn, name: str) -> None:
    if one.op.operand == "src":
        walk.source(one.src)
    walk.source(one.dst)
    _check_immediate(walk, one, name)
    walk.target(one.dst)
    dst = walk.state.regs[one.dst]
    if one.op.operand == "imm":
        src = number(one.imm)
    else:
        src = walk.state.regs[one.src]
        if src.kind != SCALAR:
            _pointer_source(walk, one, name, dst, src)
            return
    if dst.kind != SCALAR:
        if one.op.operand == "src":
            mark_precise(walk, one.src)
        offset_pointer(walk, one, name, dst, src)
        return
    if one.op.operand == "src" and dst.precise:
        mark_precise(walk, one.src)
    new = dst.copy()
    if name in ("and", "or") and not src.m:
        _split(walk, one.dst, new)
    compute(name, one.op.bits, new, src)
    _link(new, dst, one, name, src)
    walk.set(one.dst, new)


def _split(walk: Walk, at: int, reg: Reg) -> None:
    """A number that is -1 or 0, as s>>= 31 leaves it, is walked as either: masks of it select. (6.18.44, measured)"""
    if (reg.smin, reg.smax) == (-1, 0):
        bits = 64
    elif (reg.smin32, reg.smax32) == (-1, 0):
        bits = 32
    else:
        return
    other = push(walk, walk.at)
    zero = reg.copy()
    for one, value in ((zero, 0), (reg, -1)):
        if bits == 64:
            one.known(value)
        else:
            one.v, one.m = tnum.with_low32((one.v, one.m), (value & M32, 0))
            one.smin32 = one.smax32 = value
            one.umin32 = one.umax32 = value & M32
    other.regs[at] = zero


def _check_immediate(walk: Walk, one: Insn, name: str) -> None:
    if one.op.operand == "src":
        return
    if name in ("div", "mod", "sdiv", "smod") and one.imm == 0:
        walk.refuse("div by zero")
    if name in ("lsh", "rsh", "arsh") and not 0 <= one.imm < one.op.bits:
        walk.refuse(f"invalid shift {one.imm}")


def _link(new: Reg, dst: Reg, one: Insn, name: str, src: Reg) -> None:
    """r1 = r2; r1 += 5: what is learnt of r2 holds for r1 with 5 added. (6.18.44: also -= and 32 bits, measured)"""
    bits = one.op.bits
    itself = one.op.operand == "src" and one.src == one.dst
    cut = M64 if bits == 64 else M32
    whole = bits == 64 or dst.umax <= M32
    if name in ("add", "sub") and dst.id and not dst.added and not src.m & cut and not itself and whole:
        value = signed(src.v, bits)
        delta = value if name == "add" else -value
        if S32_MIN <= value <= S32_MAX and S32_MIN <= delta <= S32_MAX:
            new.id, new.added, new.off = dst.id, bits, delta
            return
    new.id, new.added = 0, 0
    if dst.added:
        new.off = 0


def _pointer_source(walk: Walk, one: Insn, name: str, dst: Reg, src: Reg) -> None:
    """The right operand is a pointer."""
    if dst.kind == SCALAR:
        mark_precise(walk, one.dst)
        offset_pointer(walk, one, name, src, dst, swapped=True)
    elif name == "sub":
        walk.set(one.dst, unknown())
    else:
        walk.refuse(f"R{one.dst} pointer {_SIGNS[name]} pointer prohibited")


def offset_pointer(walk: Walk, one: Insn, name: str, ptr: Reg, off: Reg, swapped: bool = False) -> None:
    """A pointer with a number added or taken away goes into dst. swapped: dst was the number."""
    if (not off.m and (off.smin != off.smax or off.umin != off.umax)) or off.smin > off.smax or off.umin > off.umax:
        walk.set(one.dst, unknown())
        return
    if one.op.bits == 32:
        if name == "sub":
            walk.set(one.dst, unknown())
            return
        walk.refuse(f"R{one.dst} 32-bit pointer arithmetic prohibited")
    _check_kind(walk, one, name, ptr, off)
    _check_sane(walk, off, ptr)
    _check_sane(walk, ptr, ptr)
    new = ptr.copy()
    new.unbound32()
    if name == "add":
        _plus(walk, new, ptr, off)
    elif name == "sub":
        if swapped:
            walk.refuse(f"R{one.dst} tried to subtract pointer from scalar")
        if ptr.kind == STACK:
            walk.refuse(f"R{one.dst} subtraction from stack pointer prohibited")
        _minus(walk, new, ptr, off)
    elif name in ("and", "or", "xor"):
        walk.refuse(f"R{one.dst} bitwise operator {_SIGNS[name]} on pointer prohibited")
    else:
        walk.refuse(f"R{one.dst} pointer arithmetic with {_SIGNS[name]} operator prohibited")
    _check_sane(walk, new, ptr)
    sync(new)
    walk.set(one.dst, new)


def _check_kind(walk: Walk, one: Insn, name: str, ptr: Reg, off: Reg) -> None:
    if ptr.null:
        walk.refuse(f"R{one.dst} pointer arithmetic on {type_name(ptr)} prohibited, null-check it first")
    known = not off.m
    fixed = (
        ptr.kind in _FIXED
        or (ptr.kind == FLOW and not known)
        or (ptr.kind == MAP and not (known and off.smin == 0 and name == "add"))
    )
    if fixed:
        walk.refuse(f"R{one.dst} pointer arithmetic on {type_name(ptr)} prohibited")


def _check_sane(walk: Walk, reg: Reg, ptr: Reg) -> None:
    name = type_name(ptr)
    value = signed(reg.v, 64)
    if not reg.m and (value >= FAR or value <= -FAR):
        walk.refuse(f"math between {name} pointer and {value} is not allowed")
    if reg.off >= FAR or reg.off <= -FAR:
        walk.refuse(f"{name} pointer offset {reg.off} is not allowed")
    if reg.smin == S64_MIN:
        walk.refuse(f"math between {name} pointer and register with unbounded min value is not allowed")
    if reg.smin >= FAR or reg.smin <= -FAR:
        walk.refuse(f"value {reg.smin} makes {name} pointer be out of bounds")


def _plus(walk: Walk, new: Reg, ptr: Reg, off: Reg) -> None:
    if not off.m and S32_MIN <= ptr.off + off.smin <= S32_MAX:
        new.off = ptr.off + off.smin
        return
    low, high = ptr.smin + off.smin, ptr.smax + off.smax
    new.smin, new.smax = (low, high) if fits(low, high, S64_MIN, S64_MAX) else (S64_MIN, S64_MAX)
    least, most = ptr.umin + off.umin, ptr.umax + off.umax
    new.umin, new.umax = (least, most) if most <= M64 else (0, M64)
    new.v, new.m = tnum.add((ptr.v, ptr.m), (off.v, off.m))
    if ptr.kind in PACKETS:
        new.id, new.range = walk.new_id(), 0


def _minus(walk: Walk, new: Reg, ptr: Reg, off: Reg) -> None:
    if not off.m and S32_MIN <= ptr.off - off.smin <= S32_MAX:
        new.off = ptr.off - off.smin
        return
    low, high = ptr.smin - off.smax, ptr.smax - off.smin
    new.smin, new.smax = (low, high) if fits(low, high, S64_MIN, S64_MAX) else (S64_MIN, S64_MAX)
    if ptr.umin < off.umax:
        new.umin, new.umax = 0, M64
    else:
        new.umin, new.umax = ptr.umin - off.umax, ptr.umax - off.umin
    new.v, new.m = tnum.sub((ptr.v, ptr.m), (off.v, off.m))
    if ptr.kind in PACKETS:
        new.id = walk.new_id()
        if off.smin < 0:
            new.range = 0


__all__ = ["alu", "forget", "offset_pointer"]
