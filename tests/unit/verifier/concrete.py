"""A run of the reference tier, held against the states in which the model walked each instruction.

Every register and every stack slot of every frame lies in one of the states: numbers in tnum and ranges, pointers in
the object and at the offset that the model says, zeros where it knows zeros, equal numbers where it gave equal ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bpfvm.core.bits import M32, M64, signed
from bpfvm.emulator.interp import STACK as STACK_BYTES
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.verifier.domain import scalar, tnum
from bpfvm.verifier.domain.regs import AT_END, END, META, NONE, PACKET, SCALAR, STACK, VALUE, Reg
from bpfvm.verifier.domain.state import SPILL, ZERO, Frame, Slot
from bpfvm.verifier.paths import explore
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.program.code import Code
from bpfvm.verifier.steps import access

_SAVED = (6, 7, 8, 9, 10)  # registers of a function that has called another


@dataclass(slots=True)
class Walked:
    """states: (slot, number of frames) -> the frames of each state in which the instruction there was walked."""

    states: dict[tuple[int, int], list[list[Frame]]] = field(default_factory=dict)
    code: Code | None = None


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Walked]:
    """The states of what is checked meanwhile, with no path left out because another one covers it."""
    walked, walk_one = Walked(), explore._walk_one

    def noted(walk: Walk) -> int | None:
        frames = walk.state.frames
        walked.states.setdefault((walk.at, len(frames)), []).append([one.copy() for one in frames])
        walked.code = walk.code
        return walk_one(walk)

    with monkeypatch.context() as patched:
        patched.setattr(access, "sign_extend", _of_no_id)
        patched.setattr(explore, "_walk_one", noted)
        patched.setattr(explore, "visited", lambda walk: False)
        yield walked


def _of_no_id(reg: Reg, size: int, bits: int) -> None:
    """What the model leaves out here, because the kernel is wrong about it: a number that is loaded with its sign from
    where another was spilled is still equal to that one (6.18.44). docs/differences.md tells of it."""
    reg.id, reg.added = 0, 0
    scalar.sign_extend(reg, size, bits)


@dataclass(slots=True)
class Real:
    """One frame of a run: its registers by number, as far as they are kept, and its stack."""

    registers: dict[int, Any]
    stack: Region


def real_frames(tier: Interpreter, slot: int, code: Code) -> list[Real]:
    """The frames of the run, from the innermost function on that is verified by itself."""
    found, first, here = [], 0, code.number(slot)
    if code.starts[here] in code.globals:
        first = len(tier._frames)
    for depth, one in enumerate(tier._frames):
        found.append(Real(dict(zip(_SAVED, [*one.saved, Pointer(one.stack, STACK_BYTES)], strict=True)), one.stack))
        inside = code.starts[code.number(one.slot - 1)] if one.slot > 0 else 0
        if inside in code.globals and first != len(tier._frames):
            first = depth
    top = tier.registers[10]
    assert isinstance(top, Pointer)
    found.append(Real(dict(enumerate(tier.registers)), top.region))
    return found[first:]


def unlike(walked: Walked, tier: Interpreter, slot: int) -> str | None:
    """What of the run lies in no state of the model, None where one state holds all of it."""
    assert walked.code is not None
    real = real_frames(tier, slot, walked.code)
    states = walked.states.get((slot, len(real)), [])
    if not states:
        return f"the model does not come to instruction {slot} with {len(real)} frames"
    why = ""
    for frames in states:
        found = _unlike(frames, real, tier)
        if found is None:
            return None
        why = why or found
    return f"instruction {slot}, {len(states)} states; of the first: {why}"


def _unlike(frames: list[Frame], real: list[Real], tier: Interpreter) -> str | None:
    """What of the run is not in this state."""
    same: dict[tuple[object, ...], int] = {}
    for depth in range(len(frames) - 1, -1, -1):
        frame, one = frames[depth], real[depth]
        for number, value in one.registers.items():
            why = _wrong(frame.regs[number], value, real, tier, same)
            if why is not None:
                return f"frame {depth} r{number} = {value}: {why}"
        for place, slot in frame.stack.items():
            why = _wrong_slot(slot, place, one.stack, real, tier, same)
            if why is not None:
                return f"frame {depth} fp{-8 * place - 8}: {why}"
    return None


def _wrong_slot(
    slot: Slot, place: int, stack: Region, real: list[Real], tier: Interpreter, same: dict[tuple[object, ...], int]
) -> str | None:
    start = STACK_BYTES - 8 * place - 8
    held = stack.data[start : start + 8]
    if any(kind == ZERO and byte for kind, byte in zip(slot.types, held, strict=True)):
        return f"{held.hex()} is not 0 where the model says so ({slot.types.hex()})"
    size = slot.types.count(SPILL)
    if not size or slot.types[0] != SPILL:
        return None
    value = int.from_bytes(held[:size], "little")
    if slot.reg.kind == SCALAR and size < 8:
        low = slot.reg.copy()
        low.id = 0
        scalar.truncate(low, size)
        return _wrong(low, value, real, tier, same)
    shadow = stack.shadow.get(start)
    return _wrong(slot.reg, shadow if shadow is not None and shadow.address == value else value, real, tier, same)


def _wrong(
    reg: Reg, value: Any, real: list[Real], tier: Interpreter, same: dict[tuple[object, ...], int]
) -> str | None:
    """Why the register cannot hold the value, None where it can."""
    if reg.kind == NONE:
        return None
    if value is None:
        return f"never written, and {reg}"
    number = value.address if isinstance(value, Pointer) else value
    if reg.null and number == 0:
        return _same(same, ("null", reg.id), 0, reg)
    if reg.kind == SCALAR:
        return None if holds(reg, number) and _linked(reg, number, same) else f"not in {reg}"
    if not isinstance(value, Pointer):
        return f"no pointer, and {reg}"
    return _wrong_pointer(reg, value, real, tier) or (_same(same, ("null", reg.id), 1, reg) if reg.null else None)


def _wrong_pointer(reg: Reg, value: Pointer, real: list[Real], tier: Interpreter) -> str | None:
    if reg.kind == STACK:
        at = value.offset - STACK_BYTES - reg.off
        return None if value.region is real[reg.frame].stack and holds(reg, at & M64) else f"not in {reg}"
    if reg.kind in (PACKET, META, END):
        return _wrong_packet(reg, value, tier)
    if reg.kind == VALUE and reg.map is not None:
        size = reg.map.spec.value_size
        if value.region.kind != "map value":
            return f"{value.region.kind}, and {reg}"
        if value.region.size == size and not holds(reg, (value.offset - reg.off) & M64):
            return f"not in {reg}"
    return None


def _wrong_packet(reg: Reg, value: Pointer, tier: Interpreter) -> str | None:
    """Offsets from the packet's start, or its metadata's, and the bytes that are known to be there."""
    frame = tier._context().frame
    if frame is None:
        return f"there is no packet, and {reg}"
    start, end = frame.base + (frame.meta if reg.kind == META else frame.start), frame.base + frame.linear
    if reg.kind == META:
        end = frame.base + frame.start
    if reg.kind == END:
        return None if value.address == end else f"not the packet's end, and {reg}"
    if not holds(reg, value.address - reg.off - start & M64):
        return f"{value.address - start} from the start, and {reg}"
    behind = signed(value.address - reg.off, 64) + max(reg.range, 0)
    if reg.range > 0 and behind > end:
        return f"{behind - end} bytes short, and {reg}"
    if reg.range < 0 and value.address < end + (reg.range != AT_END):
        return f"before the end, and {reg}"
    return None


def _linked(reg: Reg, number: int, same: dict[tuple[object, ...], int]) -> bool:
    """Scalars of one id are equal, but for what was added to them."""
    if not reg.id:
        return True
    if not reg.added:
        return same.setdefault(("scalar", reg.id), number) == number
    cut = M64 if reg.added == 64 else M32
    base = number - reg.off & cut
    known = same.get(("scalar", reg.id))
    return known is None or known & cut == base


def _same(same: dict[tuple[object, ...], int], key: tuple[object, ...], value: int, reg: Reg) -> str | None:
    return None if same.setdefault(key, value) == value else f"null, and a copy is not: {reg}"


def holds(reg: Reg, value: int) -> bool:
    """Whether the register's state allows the number, in each of its five views."""
    low = value & M32
    return (
        tnum.contains((reg.v, reg.m), value) and reg.umin <= value <= reg.umax
        and reg.smin <= signed(value, 64) <= reg.smax and reg.umin32 <= low <= reg.umax32
        and reg.smin32 <= signed(low, 32) <= reg.smax32
    )  # fmt: skip
