"""Helpers on maps. Keys and values are read from guest memory by the sizes of the map's declaration."""

from __future__ import annotations

from bpfvm.core.bits import M64
from bpfvm.emulator.caller import Caller, Operand, Stop, Value
from bpfvm.emulator.maps.array import RDONLY_PROG
from bpfvm.emulator.memory import MapRegion, Pointer


def _map(value: Value) -> MapRegion:
    if isinstance(value, Pointer) and isinstance(value.region, MapRegion) and value.offset == 0:
        return value.region
    raise Stop("helper", "r1 is not a map")


def _writable(owner: MapRegion) -> MapRegion:
    if owner.store.spec.flags & RDONLY_PROG:
        raise Stop("access", f"write into {owner.name}, which programs may only read (BPF_F_RDONLY_PROG)")
    return owner


def map_lookup_elem(caller: Caller, args: list[Value]) -> Operand:
    """The value's address, or 0."""
    owner = _map(args[0])
    address = owner.store.lookup(caller.read(args[1], owner.store.spec.key_size, "the key"))
    found: Operand = owner.store.element(address) if address else 0
    return found


def map_update_elem(caller: Caller, args: list[Value]) -> Operand:
    """0, or a negative errno as an unsigned 64-bit number."""
    owner = _writable(_map(args[0]))
    spec = owner.store.spec
    key = caller.read(args[1], spec.key_size, "the key")
    value = caller.read(args[2], spec.value_size, "the value")
    return int(owner.store.update(key, value, caller.number(4, args[3]))) & M64


def map_delete_elem(caller: Caller, args: list[Value]) -> Operand:
    """0, or a negative errno as an unsigned 64-bit number."""
    owner = _writable(_map(args[0]))
    return int(owner.store.delete(caller.read(args[1], owner.store.spec.key_size, "the key"))) & M64
