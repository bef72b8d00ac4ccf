"""Lists and trees of objects that the program allocated: what may stand in which, and that their lock is held."""

from __future__ import annotations

from bpfvm.core.bits import signed
from bpfvm.verifier.domain.regs import OBJECT, RCU, VALUE, Reg, pointer, unknown
from bpfvm.verifier.paths.walk import Walk, put
from bpfvm.verifier.structures.fields import LIST_HEAD, LIST_NODE, RB_NODE, REFCOUNT, ROOT, Field
from bpfvm.verifier.structures.objects import local, record

HEADS = {"bpf_list_head": LIST_HEAD, "bpf_rb_root": ROOT}
NODES = {"bpf_list_node": LIST_NODE, "bpf_rb_node": RB_NODE}
FUNCTIONS = frozenset({
    "bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_list_pop_front", "bpf_list_pop_back", "bpf_list_front",
    "bpf_list_back", "bpf_rbtree_add_impl", "bpf_rbtree_remove", "bpf_rbtree_first", "bpf_rbtree_root",
    "bpf_rbtree_left", "bpf_rbtree_right",
})  # fmt: skip


def check_head(walk: Walk, at: int, name: str) -> Field:
    """The head of a list or root of a tree that register `at` points to."""
    reg = walk.state.regs[at]
    if reg.kind != VALUE and not (reg.kind == OBJECT and reg.owned):
        walk.refuse(f"arg#{at - 1} expected pointer to map value or allocated object")
    if reg.kind == OBJECT and not reg.ref:
        walk.refuse("allocated object must be referenced")
    _check_constant(walk, at, reg, name)
    off = signed(reg.v + reg.off, 64)
    found = record(walk, reg).at(off, name)
    if found is None:
        walk.refuse(f"{name} not found at offset={off}")
    check_locked(walk, reg, name)
    return found


def _check_constant(walk: Walk, at: int, reg: Reg, name: str) -> None:
    if reg.m:
        walk.refuse(f"R{at} doesn't have constant offset. {name} has to be at the constant offset")


def check_locked(walk: Walk, reg: Reg, name: str) -> None:
    """The lock of what holds the head is held."""
    lock = record(walk, reg).lock
    held = [one for one in walk.state.refs if one.kind == "lock"]
    if held and (held[-1].holder, held[-1].id) == holder(reg):
        return
    if held:
        walk.say("held lock and object are not in the same allocation")
    walk.refuse(f"bpf_spin_lock at off={lock} must be held for {name}")


def holder(reg: Reg) -> tuple[tuple[int, int], int]:
    """What a lock lies in, told from others."""
    if reg.map is not None:
        return (id(reg.map), 0), reg.id
    return (id(reg.type.view) if reg.type is not None else 0, 1), reg.id


def check_node(walk: Walk, at: int, head: Field, name: str, what: str) -> Field:
    """The node that register `at` points to may stand under `head`. name: of the node's kind, what: of the head's."""
    reg = walk.state.regs[at]
    _check_constant(walk, at, reg, name)
    off = signed(reg.v + reg.off, 64)
    found = record(walk, reg).at(off, name)
    if found is None:
        walk.refuse(f"{name} not found at offset={off}")
    if head.node is None:
        walk.undecided(f"{what} without a tag of what it contains")
    number, place = head.node
    assert reg.type is not None
    if reg.type.number != number:
        walk.refuse(
            f"operation on {what} expects arg#1 {name} at offset={place} in struct {local(walk, number).name}, but arg "
            f"is at offset={off} in struct {reg.type.name}"
        )
    if off != place:
        walk.refuse(f"arg#1 offset={off}, but expected {name} at offset={place} in struct {local(walk, number).name}")
    return found


def node(walk: Walk, head: Field) -> Reg:
    """A pointer to a node that stands under `head`."""
    if head.node is None:
        walk.undecided(f"{head.name} without a tag of what it contains")
    new = pointer(OBJECT, head.node[1])
    new.type, new.owned = local(walk, head.node[0]), True
    return new


def lend(walk: Walk, reg: Reg) -> Reg:
    """The same object, which the program does not own: it is good as long as the lock is held."""
    new = reg.copy()
    new.ref, new.id, new.lent = 0, 0, True
    if record(walk, reg).find(REFCOUNT) is not None:
        new.prefix = RCU
    return new


def lend_all(walk: Walk, ref: int) -> None:
    """An object went into a list or tree."""
    state = walk.state
    state.refs = tuple(one for one in state.refs if one.id != ref or one.kind != "ptr")
    for frame, is_reg, at, reg in walk.every_reg(state):
        if reg.ref == ref:
            put(state, frame, is_reg, at, lend(walk, reg))


def forget_lent(walk: Walk) -> None:
    """The lock is given back: objects in lists and trees may be gone."""
    for frame, is_reg, at, reg in walk.every_reg(walk.state):
        if reg.lent:
            put(walk.state, frame, is_reg, at, unknown())
