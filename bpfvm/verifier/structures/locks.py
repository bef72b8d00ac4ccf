"""bpf_spin_lock: one at a time, taken and given back in the same function, nothing called meanwhile."""

from __future__ import annotations

from bpfvm.core.bits import signed
from bpfvm.verifier.domain.regs import Reg
from bpfvm.verifier.domain.state import Ref
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.structures.graph import forget_lent, holder
from bpfvm.verifier.structures.objects import record


def lock(walk: Walk, reg: Reg) -> None:
    """bpf_spin_lock."""
    _check_place(walk, reg)
    if any(one.kind == "lock" for one in walk.state.refs):
        walk.refuse("Locking two bpf_spin_locks are not allowed")
    walk.state.refs = (*walk.state.refs, Ref(reg.id, walk.at, "lock", holder(reg)[0]))


def unlock(walk: Walk, reg: Reg) -> None:
    """bpf_spin_unlock."""
    _check_place(walk, reg)
    held = [one for one in walk.state.refs if one.kind == "lock"]
    if not held:
        walk.refuse("bpf_spin_unlock without taking a lock")
    if (held[0].holder, held[0].id) != holder(reg):
        walk.refuse("bpf_spin_unlock of different lock")
    walk.state.refs = tuple(one for one in walk.state.refs if one.kind != "lock")
    forget_lent(walk)


def _check_place(walk: Walk, reg: Reg) -> None:
    if reg.m:
        walk.refuse("R1 doesn't have constant offset. bpf_spin_lock has to be at the constant offset")
    name = f"map '{reg.map.spec.name}'" if reg.map is not None else "local 'kptr'"
    if reg.map is not None and not reg.map.spec.value_type:
        walk.refuse(f"{name} has to have BTF in order to use bpf_spin_lock")
    lock = record(walk, reg).lock
    if lock is None:
        walk.refuse(f"{name} has no valid bpf_spin_lock")
    place = signed(reg.v + reg.off, 64)
    if place != lock:
        walk.refuse(f"off {place} doesn't point to 'struct bpf_spin_lock' that is at {lock}")
