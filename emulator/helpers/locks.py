"""Locks in map values, and pointers of the kernel's objects there.

One program runs at a time, so a lock is never waited for; what remains is the discipline that the verifier holds
programs to: one lock at a time, no calls under it, each taken lock released before the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.memory import Pointer
from bpfvm.emulator.system import Lock


def spin_lock(caller: Caller, lock: Pointer) -> None:
    """Take a lock. That none is held is known: no helper but spin_unlock is called under one."""
    caller.system.lock = Lock(lock.address, f"the lock at {lock.region.name}+{lock.offset}", caller.slot)


def spin_unlock(caller: Caller, lock: Pointer) -> None:
    """Release the lock that is held."""
    held, place = caller.system.lock, f"{lock.region.name}+{lock.offset}"
    if held is None:
        raise Stop("helper", f"argument 1 of bpf_spin_unlock#94 is the lock at {place}, and no lock is held")
    if held.address != lock.address:
        raise Stop("helper", f"argument 1 of bpf_spin_unlock#94 is the lock at {place}, and {held} is held")
    caller.system.lock = None


def kptr_xchg(caller: Caller, place: Pointer, new: Operand) -> Operand:
    """Put one object's pointer in place of another, which is given back; 0 is none."""
    what, region = "argument 1 of bpf_kptr_xchg#194", place.region
    number = int.from_bytes(caller.read(place, 8, what), "little")
    known = region.shadow.get(place.offset)
    old = known if known is not None and known.address == number else number
    caller.write(place, caller.number(None, new).to_bytes(8, "little"), what)
    if isinstance(new, Pointer):
        region.shadow[place.offset] = new
    return old


HELPERS: Mapping[str, Function] = {"spin_lock": spin_lock, "spin_unlock": spin_unlock, "kptr_xchg": kptr_xchg}
