"""Loads and stores of the stack: what is spilled there, what is known to be zero, what was never written."""

from __future__ import annotations

from bpfvm.core.bits import signed
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.verifier.domain.regs import NOT_SET, SCALAR, STACK, Reg, number, unknown, unsigned_text
from bpfvm.verifier.domain.specials import destroy
from bpfvm.verifier.domain.state import EMPTY, IN_DYNPTR, IN_ITERATOR, INVALID, MISC, SPILL, ZERO, Frame, Slot
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk

SIZE = 512
FAR = 1 << 29  # offsets and sizes stay below


def variable(reg: Reg) -> str:
    """The variable part of an offset, as messages show it."""
    if not reg.m:
        return unsigned_text(reg.v)
    return f"(0x{reg.v:x}; 0x{reg.m:x})"


def check_bounds(walk: Walk, at: int, reg: Reg, off: int, size: int, words: str) -> None:
    """The access lies in the stack frame. off: with the register's fixed part. words: " read from", " write to"."""
    if not reg.m:
        low = signed(reg.v + off, 64)
        high = low + size
    else:
        if reg.smax >= FAR or reg.smin <= -FAR:
            walk.refuse(f"invalid unbounded variable-offset{words} stack R{at}")
        low, high = reg.smin + off, reg.smax + off + size
    if low < -SIZE or low > -1 or high > 0:
        if not reg.m:
            walk.refuse(f"invalid{words} stack R{at} off={low} size={size}")
        walk.refuse(f"invalid variable-offset{words} stack R{at} var_off={variable(reg)} off={off} size={size}")
    _grow(walk, walk.state.frames[reg.frame], -low)


def _grow(walk: Walk, frame: Frame, depth: int) -> None:
    frame.depth = max(frame.depth, -(-depth // 8) * 8)
    walk.stack_depth[frame.entry] = max(walk.stack_depth.get(frame.entry, 0), depth)


def read(walk: Walk, at: int, off: int, size: int, into: int) -> None:
    """Load `size` bytes at register `at` + off (with its fixed part) into a register; none where `into` is below 0."""
    reg = walk.state.regs[at]
    check_bounds(walk, at, reg, off, size, " read from")
    frame = walk.state.frames[reg.frame]
    if reg.m:
        if into < 0:
            walk.refuse(
                f"variable offset stack pointer cannot be passed into helper function; var_off={variable(reg)} "
                f"off={off} size={size}"
            )
        check_initialized(walk, at, off, size, write=False)
        _set_read(walk, frame, reg.smin + off, reg.smax + off + size, into)
        return
    low = signed(reg.v + off, 64)
    _read_fixed(walk, frame, low, size, into)


def _read_fixed(walk: Walk, frame: Frame, low: int, size: int, into: int) -> None:
    place = (-low - 1) // 8
    slot = frame.stack.get(place, EMPTY)
    walk.touched_slots.add(place)
    walk.stack.read(frame.number, 1 << place)
    start = low % 8
    if slot.types[0] != SPILL:
        if into >= 0:
            _set_read(walk, frame, low, low + size, into)
        return
    if slot.types.count(SPILL) == 8 and size == 8 and not start:
        walk.remember((frame.number, place))
        if into >= 0:
            walk.set(into, slot.reg)
        return
    _read_part(walk, frame, place, slot, start, size, into)


def _read_part(walk: Walk, frame: Frame, place: int, slot: Slot, start: int, size: int, into: int) -> None:
    """A load that is narrower than what was spilled, or that takes bytes beside it."""
    if slot.reg.kind != SCALAR:
        walk.refuse("invalid size of register fill")
    if into < 0:
        return
    types = slot.types[start : start + size]
    if start == 0 and size <= slot.types.count(SPILL):
        walk.remember((frame.number, place))
        reg = slot.reg
        if reg.umax.bit_length() > 8 * size:
            reg = reg.copy()
            reg.id, reg.added, reg.off = 0, 0, 0 if reg.added else reg.off
        walk.set(into, reg)
    elif types.count(SPILL) == size and not slot.reg.m and not slot.reg.v:
        walk.remember((frame.number, place))
        walk.set(into, number(0))
    else:
        walk.set(into, number(0) if types.count(ZERO) == size else unknown())


def _set_read(walk: Walk, frame: Frame, low: int, high: int, into: int) -> None:
    """The register gets bytes that hold no spilled register as a whole."""
    zeros = 0
    for byte in range(low, high):
        slot = frame.stack.get((-byte - 1) // 8, EMPTY)
        if slot.types[byte % 8] in (IN_DYNPTR, IN_ITERATOR):
            walk.refuse(f"invalid read from stack off {low}+{byte - low} size {high - low}")
        zeros += slot.types[byte % 8] == ZERO
    for place in range((-high) // 8, (-low - 1) // 8 + 1):
        walk.stack.read(frame.number, 1 << place)
    walk.set(into, number(0) if zeros == high - low else unknown())


def write(walk: Walk, at: int, off: int, size: int, value: int, one: Insn) -> None:
    """Store a register (value, -1 for none) or the immediate of `one` at register `at` + off."""
    reg = walk.state.regs[at]
    check_bounds(walk, at, reg, off, size, " write to")
    frame = walk.state.frames[reg.frame]
    source = walk.state.regs[value] if value >= 0 else None
    if reg.m:
        _write_variable(walk, frame, reg.smin + off, reg.smax + off + size, value, _is_zero(source, one))
    else:
        _write_fixed(walk, frame, signed(reg.v + off, 64), size, value, one)


def _is_zero(source: Reg | None, one: Insn) -> bool:
    if source is not None:
        return source.kind == SCALAR and not source.m and not source.v
    return one.op.kind is Kind.STORE and one.op.operand == "imm" and one.imm == 0


def _write_fixed(walk: Walk, frame: Frame, low: int, size: int, value: int, one: Insn) -> None:
    place = (-low - 1) // 8
    destroy(walk, frame, place)
    old = frame.stack.get(place, EMPTY)
    walk.touched_slots.add(place)
    if size == 8 and low % 8 == 0:
        walk.stack.write(frame.number, 1 << place)
    source = walk.state.regs[value] if value >= 0 else None
    if source is not None and source.kind == SCALAR and low % 8 == 0:
        spilled = source
        if source.umax.bit_length() <= 8 * size:
            spilled = give_id(walk, value)
        elif spilled.id:
            spilled = spilled.copy()
            spilled.id, spilled.added = 0, 0
        frame.stack[place] = _spilled(old, spilled, size)
    elif source is None and low % 8 == 0 and one.op.kind is Kind.STORE and one.op.operand == "imm":
        frame.stack[place] = _spilled(old, number(one.imm), size)
    elif source is not None and source.kind != SCALAR:
        _spill_pointer(walk, frame, place, source, size)
    else:
        _write_data(walk, frame, place, low, size, value, one)
        return
    walk.remember((frame.number, place))


def _spill_pointer(walk: Walk, frame: Frame, place: int, source: Reg, size: int) -> None:
    if size != 8:
        walk.refuse("invalid size of register spill")
    if frame is not walk.state.frame and source.kind == STACK:
        walk.refuse("cannot spill pointers to stack into stack frame of the caller")
    frame.stack[place] = Slot(bytes([SPILL] * 8), source)


def _spilled(old: Slot, reg: Reg, size: int) -> Slot:
    """The slot with a register in its low bytes. Bytes above keep being zero or never written, else hold anything."""
    above = bytes(one if one in (ZERO, INVALID) else MISC for one in old.types[size:])
    return Slot(bytes([SPILL] * size) + above, reg)


def _write_data(walk: Walk, frame: Frame, place: int, low: int, size: int, value: int, one: Insn) -> None:
    """A store that spills nothing: what was spilled here before is gone."""
    old = frame.stack.get(place, EMPTY)
    types = bytearray(old.types)
    if types[0] == SPILL:
        types = _scrubbed(types)
    source = walk.state.regs[value] if value >= 0 else None
    kind = MISC
    if _is_zero(source, one):
        if value >= 0:
            mark_precise(walk, value)
        kind = ZERO
    start = low % 8
    types[start : start + size] = bytes([kind] * size)
    frame.stack[place] = Slot(bytes(types))


def _scrubbed(types: bytes | bytearray) -> bytearray:
    """What a slot holds whose spilled register is gone."""
    return bytearray(INVALID if kind == INVALID else MISC for kind in types)


def _write_variable(walk: Walk, frame: Frame, low: int, high: int, value: int, zero: bool) -> None:
    """A store somewhere between `low` and `high`: each byte may be the old one or a new one."""
    zeros_kept = False
    for byte in range(low, high):
        place = (-byte - 1) // 8
        destroy(walk, frame, place)
        walk.touched_slots.add(place)
        slot = frame.stack.get(place, EMPTY)
        kind = slot.types[byte % 8]
        if zero and kind == SPILL and slot.types[0] == SPILL and _is_const_zero(slot.reg):
            zeros_kept = True
            continue
        zeros_kept |= zero and kind == ZERO
        types = bytearray(slot.types)
        if types[0] == SPILL:
            types = _scrubbed(types)
        types[byte % 8] = ZERO if zero and kind == ZERO else MISC
        frame.stack[place] = Slot(bytes(types), NOT_SET)
    if zeros_kept and value >= 0:
        mark_precise(walk, value)


def _is_const_zero(reg: Reg) -> bool:
    return reg.kind == SCALAR and not reg.m and not reg.v


def check_initialized(walk: Walk, at: int, off: int, size: int, *, write: bool, zero_size: bool = True) -> None:
    """A helper reads, or reads and writes, `size` bytes at register `at` + off: they hold no part of a pointer."""
    reg = walk.state.regs[at]
    if not size and not zero_size:
        walk.refuse("invalid zero-sized read")
    check_bounds(walk, at, reg, off, size, " write to" if write else " read from")
    frame = walk.state.frames[reg.frame]
    low, high = (signed(reg.v, 64),) * 2 if not reg.m else (reg.smin, reg.smax)
    for byte in range(low + off, high + off + size):
        place = (-byte - 1) // 8
        slot = frame.stack.get(place, EMPTY)
        if slot.types[byte % 8] in (IN_DYNPTR, IN_ITERATOR):
            walk.refuse(f"invalid read from stack R{at} off {low + off}+{byte - low - off} size {size}")
        if write and slot.types[byte % 8] in (ZERO, INVALID):
            types = bytearray(slot.types)
            types[byte % 8] = MISC
            frame.stack[place] = Slot(bytes(types), slot.reg)
        elif write and slot.types[0] == SPILL and slot.types[byte % 8] != MISC:
            frame.stack[place] = Slot(bytes(_scrubbed(slot.types)))
        walk.stack.read(frame.number, 1 << place)
        if write:
            walk.touched_slots.add(place)


def check_raw(walk: Walk, reg: Reg, off: int, size: int) -> None:
    """What a helper is going to write holds no dynptr or iterator."""
    low = signed(reg.v + off, 64)
    for byte in range(low, low + size):
        kind = walk.state.frames[reg.frame].stack.get((-byte - 1) // 8, EMPTY).types[byte % 8]
        if kind == IN_DYNPTR:
            walk.refuse(f"potential write to dynptr at off={byte} disallowed")
        if kind == IN_ITERATOR:
            walk.undecided("a helper that writes over an iterator")


def scrub(walk: Walk, at: int, size: int) -> None:
    """A helper writes `size` bytes of anything at register `at`, whose offset is known."""
    reg = walk.state.regs[at]
    low = signed(reg.v + reg.off, 64)
    frame = walk.state.frames[reg.frame]
    for byte in range(low, low + size):
        place = (-byte - 1) // 8
        walk.touched_slots.add(place)
        types = bytearray(frame.stack.get(place, EMPTY).types)
        if types[0] == SPILL:
            types = _scrubbed(types)
        types[byte % 8] = MISC
        frame.stack[place] = Slot(bytes(types))


def give_id(walk: Walk, at: int) -> Reg:
    """A scalar that is copied gets an id, so that what is learnt of one copy holds for all. What is another one with
    something added is no longer linked with that; of a number that is known there is nothing to learn."""
    reg = walk.state.regs[at]
    if reg.kind != SCALAR or not (reg.added or (reg.m and not reg.id)):
        return reg
    reg = reg.copy()
    reg.id, reg.added, reg.off = walk.new_id() if reg.m else 0, 0, 0
    walk.set(at, reg)
    return reg
