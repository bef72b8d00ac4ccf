"""Functions of the program that a helper calls again and again: a state at their first instruction waits to be walked,
and at their end the path is back before the call, until nothing new comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.obj.btf.types import Struct
from bpfvm.verifier.domain.regs import DYNPTR, KEY, OBJECT, SCALAR, VALUE, Reg, pointer, unknown
from bpfvm.verifier.domain.state import Frame
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.branch import push
from bpfvm.verifier.steps.subprogram import FRAMES
from bpfvm.verifier.structures.types import TypeRef

_EACH = frozenset({"array", "percpu_array", "hash", "lru_hash", "percpu_hash", "lru_percpu_hash"})
_RETURNS = (0, 1)


def loop(walk: Walk, start: int) -> None:
    """bpf_loop: as long as the number of turns is not known to be over."""
    _inline(walk, start)
    mark_precise(walk, 1)
    frame = walk.state.frame
    if frame.turns >= walk.state.regs[1].umax:
        frame.turns = 0
        if walk.log.level & 2:
            walk.log.add(f"frame{frame.number} bpf_loop iteration limit reached")
        return
    _enter(walk, start, [unknown(), walk.state.regs[3]])


def _inline(walk: Walk, start: int) -> None:
    """The kernel writes the loop out where its flags are always 0 and its function the same: so the flags matter."""
    fits, function = walk.inline.get(walk.at, (True, start))
    if not fits:
        return
    flags = walk.state.regs[4]
    zero = flags.kind == SCALAR and not flags.m and not flags.v
    if zero:
        mark_precise(walk, 4)
    walk.inline[walk.at] = zero and function == start, function


def each(walk: Walk, start: int) -> None:
    """bpf_for_each_map_elem."""
    given = walk.state.regs[1]
    assert given.map is not None
    if given.map.spec.type not in _EACH:
        walk.refuse("callback function not allowed for map")
    key, value = pointer(KEY), pointer(VALUE)
    key.map = value.map = given.map
    _enter(walk, start, [given, key, value, walk.state.regs[3]])


def drain(walk: Walk, start: int) -> None:
    """bpf_user_ringbuf_drain: a dynptr to each record."""
    record = pointer(DYNPTR)
    record.id = walk.new_id()
    _enter(walk, start, [record, walk.state.regs[3]])


def find(walk: Walk, start: int) -> None:
    """bpf_find_vma: the task, and the part of its memory that was found."""
    types = walk.setting.types
    number = types.find(Struct, "vm_area_struct") if types is not None else None
    if types is None or number is None:
        walk.undecided("objects of the kernel (BTF)")
    area = pointer(OBJECT)
    area.type = TypeRef(types, number, kernel=True)
    _enter(walk, start, [walk.state.regs[1], area, walk.state.regs[4]])


CALLING: Mapping[str, Callable[[Walk, int], None]] = {
    "loop": loop, "for_each_map_elem": each, "user_ringbuf_drain": drain, "find_vma": find,
}  # fmt: skip


def compare(walk: Walk, start: int, node: Reg) -> None:
    """bpf_rbtree_add: which of two nodes comes first."""
    _enter(walk, start, [node, node])


def _enter(walk: Walk, start: int, arguments: list[Reg]) -> None:
    other = push(walk, start)
    caller = other.frames[-1]
    walk.calls.setdefault(caller.entry, set()).add(start)
    if len(other.frames) >= FRAMES:
        walk.refuse(f"the call stack of {len(other.frames) + 1} frames is too deep")
    frame = Frame(len(other.frames), walk.at, start)
    frame.regs[1 : 1 + len(arguments)] = arguments
    frame.callback, frame.returns = walk.at, _RETURNS
    other.frames.append(frame)
    other.unrolled += 1
    caller.turns += 1
    walk.state.frame.turns = 0
    walk.touch_all()
