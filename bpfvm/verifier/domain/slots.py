"""Dynptrs and iterators: objects of the kernel's on the program's stack, in slots that programs cannot look into."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.core.bits import signed
from bpfvm.tables.helpers import Arg
from bpfvm.verifier.domain.invalidation import release
from bpfvm.verifier.domain.regs import DYNPTR, IN_PACKET, MEM, READ_ONLY, STACK, VALUE, Reg, number, pointer, type_name
from bpfvm.verifier.domain.specials import destroy, forget_slices, special_at
from bpfvm.verifier.domain.stack import check_bounds
from bpfvm.verifier.domain.state import EMPTY, IN_DYNPTR, IN_ITERATOR, Frame, Ref, Slot, Special, State
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.paths.widening import widen_other
from bpfvm.verifier.steps.access import may_touch_packet
from bpfvm.verifier.steps.branch import push

if TYPE_CHECKING:
    from bpfvm.tables.kernel_functions import Parameter
    from bpfvm.verifier.callees.arguments import Call
    from bpfvm.verifier.callees.kfunc_arguments import Given

RINGBUF = "ringbuf"
_DYNPTR = 2  # slots
_ITERATORS = {"num": 1, "bits": 2, "task": 3, "css": 3, "css_task": 1, "task_vma": 1, "kmem_cache": 1, "dmabuf": 1}
_MADE = {"bpf_dynptr_from_skb": "skb", "bpf_dynptr_from_xdp": "xdp"}


def _place(walk: Walk, reg: Reg, slots: int, what: str) -> tuple[Frame, int] | None:
    """The frame and the first slot, that of the lowest address; None, and words, where nothing can be."""
    if reg.m:
        walk.say(f"{what} has to be at a constant offset")
        return None
    off = signed(reg.v + reg.off, 64)
    first = (-off - 1) // 8
    if off % 8 or off >= 0 or first - slots + 1 < 0 or first >= 64:
        walk.say(f"cannot pass in {what} at an offset={off}")
        return None
    return walk.state.frames[reg.frame], first


def _make(walk: Walk, at: int, reg: Reg, frame: Frame, first: int, made: Special, slots: int, kind: int) -> None:
    """Put an object into slots."""
    for place in range(first, first - slots, -1):
        check_bounds(walk, at, reg, reg.off + 8 * (first - place), 8, " write to")
        destroy(walk, frame, place)
    for place in range(first, first - slots, -1):
        frame.stack[place] = Slot(bytes([kind] * 8), special=replace(made, first=place == first))
        walk.touched_slots.add(place)
        walk.stack.write(frame.number, 1 << place)


def _read(walk: Walk, frame: Frame, first: int, slots: int) -> None:
    for place in range(first, first - slots, -1):
        walk.stack.read(frame.number, 1 << place)
        walk.touched_slots.add(place)


def _clear(walk: Walk, frame: Frame, first: int, slots: int) -> None:
    for place in range(first, first - slots, -1):
        frame.stack.pop(place, None)
        walk.touched_slots.add(place)
        walk.stack.write(frame.number, 1 << place)


# Dynptrs


def make_dynptr(
    walk: Walk, at: int, kind: str, *, ref: int | None = None, parent: int = 0, packet: bool = False
) -> None:
    """A dynptr begins at register `at`. ref: 0 to take a reference, None for none, or the one that a clone shares."""
    reg = walk.state.regs[at]
    found = _place(walk, reg, _DYNPTR, "dynptr") if reg.kind == STACK else None
    if found is None:
        walk.refuse("Dynptr has to be an uninitialized dynptr")
    frame, first = found
    for place in (first, first - 1):
        check_bounds(walk, at, reg, reg.off + 8 * (first - place), 8, " write to")
        destroy(walk, frame, place)
    number_ = walk.new_id()
    held = 0
    if ref is not None:
        held = ref or walk.new_id()
        if not ref:
            walk.state.refs = (*walk.state.refs, Ref(held, walk.at))
    made = Special("dynptr", kind, number_, held, parent or number_, packet=packet)
    _make(walk, at, reg, frame, first, made, _DYNPTR, IN_DYNPTR)


def dynptr_of(walk: Walk, at: int, wanted: str = "") -> Special:
    """The dynptr that register `at` points to. wanted: of which kind."""
    reg = walk.state.regs[at]
    if reg.kind == DYNPTR:
        found = Special("dynptr", "local", reg.id, 0, reg.id)
    else:
        place = _place(walk, reg, _DYNPTR, "dynptr")
        seen = special_at(*place) if place is not None else None
        if place is None or seen is None or seen.kind != "dynptr":
            walk.refuse(f"Expected an initialized dynptr as arg #{at - 1}")
        _read(walk, *place, _DYNPTR)
        found = seen
    if wanted and found.name != wanted:
        walk.refuse(f"Expected a dynptr of type {wanted} as arg #{at - 1}")
    return found


def release_dynptr(walk: Walk, at: int, found: Special) -> None:
    """A dynptr that owns a record gives it back, and with it all its clones."""
    del at
    for frame in walk.state.frames:
        for place, slot in list(frame.stack.items()):
            if slot.special is not None and slot.special.first and slot.special.ref == found.ref:
                forget_slices(walk, slot.special.id)
                _clear(walk, frame, place, _DYNPTR)
    release(walk, found.ref)


def dynptr_argument(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    """A dynptr as an argument of a kernel function."""
    if reg.kind not in (STACK, DYNPTR):
        walk.refuse(f"arg#{at - 1} expected pointer to stack or const struct bpf_dynptr")
    name = given.row.name
    if parameter.suffix != "uninit":
        given.dynptr = dynptr_of(walk, at)
        return
    if name == "bpf_dynptr_clone":
        assert given.dynptr is not None
        source = given.dynptr
        make_dynptr(walk, at, source.name, ref=source.ref or None, parent=source.parent, packet=source.packet)
    else:
        make_dynptr(walk, at, _MADE[name], packet=True)


def slice_result(walk: Walk, given: Given) -> Reg:
    """A pointer to a dynptr's bytes."""
    assert given.dynptr is not None
    new = pointer(MEM)
    new.size = given.size  # it outlives a dynptr that is written over, as the kernel has it
    new.frame = IN_PACKET if given.dynptr.packet else 0
    if given.row.name == "bpf_dynptr_slice":
        new.prefix = READ_ONLY
    elif given.dynptr.packet and not may_touch_packet(walk, write=True):
        walk.refuse("the prog does not allow writes to packet data")
    return new


# Iterators


def iterator_argument(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    """An iterator as an argument: it begins, goes on, or ends."""
    kind = (parameter.struct or "").removeprefix("bpf_iter_")
    if reg.kind != STACK:
        walk.refuse(f"arg#{at - 1} expected pointer to an iterator on stack")
    if kind not in _ITERATORS:
        walk.undecided(f"iterators of kind {kind}")
    slots = _ITERATORS[kind]
    place = _place(walk, reg, slots, "iter")
    begins = given.row.name.endswith("_new")
    found = special_at(*place) if place is not None else None
    if begins:
        if place is None or _taken(place[0], place[1], slots):
            walk.refuse(f"expected uninitialized iter_{kind} as arg #{at - 1}")
        ref = walk.new_id()
        walk.state.refs = (*walk.state.refs, Ref(ref, walk.at))
        _make(walk, at, reg, *place, Special("iter", kind, 0, ref, state="active"), slots, IN_ITERATOR)
        return
    if place is None or found is None or (found.kind, found.name) != ("iter", kind):
        walk.refuse(f"expected an initialized iter_{kind} as arg #{at - 1}")
    _read(walk, *place, slots)
    given.dynptr, given.made = found, [place[0].number, place[1]]
    if given.row.name.endswith("_destroy"):
        release(walk, found.ref)
        _clear(walk, *place, slots)


def _taken(frame: Frame, first: int, slots: int) -> bool:
    """Whether one of the slots is an iterator's already."""
    found = [frame.stack.get(place, EMPTY).special for place in range(first, first - slots, -1)]
    return any(one is not None and one.kind == "iter" for one in found)


def result(walk: Walk, given: Given, new: Reg) -> None:
    """What the result belongs to."""
    if given.row.name.startswith("bpf_iter_") and given.dynptr is not None:
        owned = new.copy()
        owned.ref = given.dynptr.ref
        walk.set(0, owned)


def behind(walk: Walk, given: Given) -> int:
    """The slot to go on at. Where an iterator goes on, the path on which it gave something waits."""
    row = given.row
    if not (row.name.startswith("bpf_iter_") and row.name.endswith("_next")):
        return walk.at + 1
    found, (frame, first) = given.dynptr, given.made
    assert found is not None
    if found.state == "active":
        other = push(walk, walk.at + 1)
        _set(walk, other, frame, first, replace(found, depth=found.depth + 1))
        regs = other.frames[-1].regs
        regs[0] = regs[0].copy()
        regs[0].null = False
        widen_other(walk, other)
    _set(walk, walk.state, frame, first, replace(found, state="drained"))
    walk.set(0, number(0))
    return walk.at + 1


def _set(walk: Walk, state: State, frame: int, first: int, special: Special) -> None:
    for place in range(first, first - _ITERATORS[special.name], -1):
        slot = state.frames[frame].stack[place]
        state.frames[frame].stack[place] = Slot(slot.types, slot.reg, replace(special, first=place == first))
    walk.touched_slots.add(first)


def _give_back(walk: Walk, at: int) -> None:
    """A dynptr that owns a record is submitted or discarded."""
    reg = walk.state.regs[at]
    if reg.kind == DYNPTR:
        walk.refuse("cannot release unowned const bpf_dynptr")
    place = _place(walk, reg, _DYNPTR, "dynptr")
    found = special_at(*place) if place is not None else None
    if found is None or not found.ref:
        walk.refuse(f"arg {at} is an unacquired reference")
    release_dynptr(walk, at, dynptr_of(walk, at, RINGBUF))


def helper_argument(walk: Walk, call: Call, at: int, kind: Arg) -> None:
    """A dynptr as an argument of a helper."""
    match kind:
        case Arg.DYNPTR_OUT:
            if walk.state.regs[1].kind != VALUE:
                walk.refuse(f"Unsupported reg type {type_name(walk.state.regs[1])} for bpf_dynptr_from_mem data")
            make_dynptr(walk, at, "local")
        case Arg.DYNPTR_RECORD_OUT:
            make_dynptr(walk, at, RINGBUF, ref=0)
        case Arg.DYNPTR_GIVEN:
            _give_back(walk, at)
        case _:
            call.dynptr = dynptr_of(walk, at)
