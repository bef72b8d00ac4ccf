"""Where a random program reads and writes: the given memory, the stack, a map's value by address and by lookup, fields
of the context.

What the kernel's verifier takes there, measured on 6.18 (x86-64):

    place            accesses                          alignment
    context          loads, sign-extending too, stores the access's size, constant offsets from an unchanged register
    its fields       loads, stores                     as bpfvm.tables.ctx says of each field
    packet           loads, sign-extending too, stores any
    stack            all                               the access's size
    map value        all                               any; the access's size for atomic ones, acquire and release
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from bpfvm.emulator.contexts.access import rules
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import DATA, R0, R10, VALUE, WORD, Body
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind, Op

_ORDERED = (Kind.ATOMIC, Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE)
LOADS = (Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE)

Place = Callable[[Body, Op, int], tuple[int, int]]  # (body, row, a register to use) -> base register, offset


def _aligned(body: Body, op: Op, room: int) -> int:
    """An offset of an access to `room` bytes that may have any alignment, if the row may."""
    size = op.bits // 8
    if op.kind in _ORDERED or body.rng.random() < 0.5:
        return body.rng.randrange(0, room - size + 1, size)
    return body.rng.randrange(room - size + 1)


def _given(body: Body, op: Op, pointer: int) -> tuple[int, int]:
    """The context, the packet or the map's value, by `home` or by a copy of it."""
    moves = body.memory != "context"
    off = _aligned(body, op, DATA) if moves else body.data_offset(op.bits // 8)
    if body.rng.random() < 0.3:
        return body.home, off
    body.emit("mov64_x", pointer, body.home)
    if moves and body.rng.random() < 0.5:
        moved = body.rng.randrange(off + 1)
        body.emit("add64_k", pointer, imm=moved)
        off -= moved
    return pointer, off


def _spilled(body: Body, op: Op, pointer: int) -> tuple[int, int]:
    """The given memory by a pointer that was on the stack meanwhile."""
    at = body.slot(WORD)
    body.emit("stx64", R10, body.home, at)
    body.emit("ldx64", pointer, R10, at)
    body.emit("st64", R10, 0, at, body.rng.randrange(100))
    return pointer, body.data_offset(op.bits // 8)


def _stack(body: Body, op: Op, pointer: int) -> tuple[int, int]:
    off = body.slot(op.bits // 8)
    if body.rng.random() < 0.4:
        return R10, off
    body.emit("mov64_x", pointer, R10)
    moved = -body.rng.randrange(body.frame + 1)
    body.emit("add64_k", pointer, imm=moved)
    return pointer, off - moved


def _value(body: Body, op: Op, pointer: int) -> tuple[int, int]:
    """A map's value by address, moved by constants and by numbers that only the run knows."""
    off = _aligned(body, op, VALUE.value_size // 2)
    choice = body.rng.random()
    start = body.rng.randrange(off + 1) if choice < 0.5 else 0
    body.emit("lddw_map_value", pointer, imm=start << 32, symbol=VALUE.name)
    if choice < 0.5:
        return pointer, off - start
    index = body.register(without=(pointer,))
    if choice < 0.8:
        body.emit("and64_k", index, imm=VALUE.value_size // 2 - WORD)
        body.emit("add64_x", pointer, index)
        return pointer, off
    moved = body.rng.randrange(-VALUE.value_size // 2, 0)  # a verifier takes an unknown number only to add
    body.emit("mov64_k", index, imm=moved)
    body.emit("sub64_x", pointer, index)
    return pointer, off + moved


def _field(body: Body, op: Op, pointer: int) -> tuple[int, int]:
    """A field of the context, or the part of one that may be read or written."""
    body.emit("ldx64", pointer, R10, body.context)
    return pointer, body.rng.choice(fields(body.code.kind, op.bits // 8, op.kind is Kind.STORE))


@functools.cache
def fields(kind: str, size: int, write: bool) -> tuple[int, ...]:
    """Offsets of the accesses of `size` bytes to numbers in the context of programs of type `kind`."""
    found = rules(kind, kind)
    assert found is not None, "asked of contexts with fields"
    known = found.writes if write else found.reads
    return tuple(at for (at, width), one in known.items() if width == size and one.pointer is None)


def places(body: Body, op: Op) -> list[Place]:
    """Where the row may go."""
    found: list[Place] = [_stack, _value]
    if op.kind not in _ORDERED or body.memory == "value":
        found += [_given, _given, _spilled]
    if op.kind in (Kind.LOAD, Kind.STORE) and body.fields:
        found += [_field] * bool(fields(body.code.kind, op.bits // 8, op.kind is Kind.STORE))
    return found


def access(body: Body, op: Op) -> bool:
    """One access anywhere; False where the row would spoil a locked register."""
    if op.name.startswith("atomic_cmpxchg") and R0 not in body.free:
        return False
    pointer = pointer_for(body, op)
    place = body.rng.choice(places(body, op))
    base, off = place(body, op, pointer)
    access_at(body, op, base, off, pointer)
    return True


def pointer_for(body: Body, op: Op) -> int:
    """A register for an address. Compare-and-exchange has r0 for the number that it compares."""
    return body.register(without=(R0,) if op.name.startswith("atomic_cmpxchg") else ())


def access_at(body: Body, op: Op, base: int, off: int, pointer: int) -> None:
    """One access at `off` of `base`; `pointer` is the register that was made a pointer, and is none afterwards."""
    written = None
    if op.kind in LOADS:
        written = pointer if body.rng.random() < 0.3 else body.register()
        body.code.emit(Insn(op, written, base, off, op.imm_is or 0))
    elif op.operand == "imm":
        body.code.emit(Insn(op, base, 0, off, edges.immediate(body.rng)))
    else:
        source = body.register(without=(base,))
        written = R0 if op.name.startswith("atomic_cmpxchg") else source
        body.code.emit(Insn(op, base, source, off, op.imm_is or 0))
        if op.name == "atomic_cmpxchg32":
            body.log(R0)  # straight behind it: see bpfvm.fuzz.known
    if base == pointer and written != pointer:
        body.renumber(pointer)
    if written is not None:
        body.maybe_log(written)


ACCESSES: Mapping[Kind, Callable[[Body, Op], bool]] = dict.fromkeys(
    (Kind.LOAD, Kind.LOAD_SX, Kind.STORE, *_ORDERED), access
)
