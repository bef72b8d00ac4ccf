"""Helpers on maps. What a map type does not take is a fault in the words of emulator.maps.operations."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.access import resolve
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.prog_array import ProgArrayMap
from bpfvm.emulator.maps.store import RDONLY_PROG
from bpfvm.emulator.memory import Pointer


def _writable(store: MapStore) -> None:
    if store.spec.flags & RDONLY_PROG:
        raise Stop("access", f"write into {store.handle.name}, which programs may only read (BPF_F_RDONLY_PROG)")


def map_lookup_elem(caller: Caller, store: MapStore, key: bytes) -> Operand:
    """The value's address, or 0."""
    address = store.lookup(key)
    return store.element(address) if address else 0


def map_lookup_percpu_elem(caller: Caller, store: MapStore, key: bytes, cpu: int) -> Operand:
    """The address of the value of a CPU, or 0."""
    address = store.lookup_percpu(key, cpu & M32)
    return store.element(address) if address else 0


def map_update_elem(caller: Caller, store: MapStore, key: bytes, value: bytes, flags: int) -> int:
    """0, or a negative errno."""
    _writable(store)
    return store.update(key, value, flags)


def map_delete_elem(caller: Caller, store: MapStore, key: bytes) -> int:
    """0, or a negative errno."""
    _writable(store)
    return store.delete(key)


def map_push_elem(caller: Caller, store: MapStore, value: bytes, flags: int) -> int:
    """0, or a negative errno."""
    _writable(store)
    return store.push(value, flags)


def map_pop_elem(caller: Caller, store: MapStore, value: Pointer) -> int:
    """0, or a negative errno. The memory is written either way."""
    _writable(store)
    result, found = store.pop()
    caller.write(value, found, "argument 2 of bpf_map_pop_elem#88")
    return result


def map_peek_elem(caller: Caller, store: MapStore, value: Pointer) -> int:
    """0, or a negative errno. A bloom filter is asked for the value, and leaves it."""
    what = "argument 2 of bpf_map_peek_elem#89"
    if store.spec.type == "bloom_filter":
        return store.contains(caller.read(value, store.spec.value_size, what))
    result, found = store.peek()
    caller.write(value, found, what)
    return result


def for_each_map_elem(caller: Caller, store: MapStore, function: int, context: Operand, flags: int) -> int:
    """How many elements the callback saw; it ends the loop by a result that is not 0."""
    elements = store.walk()
    if flags:
        return -errno.EINVAL
    arena, handle, count = caller.system.arena, Pointer(store.handle, 0), 0
    for key, value in elements:
        count += 1
        if caller.call(function, (handle, resolve(arena, key), store.element(value), context)):
            break
    return count


def tail_call(caller: Caller, context: Context, store: MapStore, index: int) -> None:
    """Go on in another program; nothing happens where there is none, or past the limit of tail calls."""
    if not isinstance(store, ProgArrayMap):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'tail_call')}")
    code = store.code(index & M32)
    if code is None:
        return
    here = caller.code
    if here is not None and here.program.type != code.program.type:
        raise Stop(
            "helper",
            f"map {store.spec.name} holds {code.program.name} of type {code.program.type}, and the kernel refuses to "
            f"load a caller of type {here.program.type}",
        )
    caller.tail_call(code)


HELPERS: Mapping[str, Function] = {
    "map_lookup_elem": map_lookup_elem,
    "map_update_elem": map_update_elem,
    "map_delete_elem": map_delete_elem,
    "map_push_elem": map_push_elem,
    "map_pop_elem": map_pop_elem,
    "map_peek_elem": map_peek_elem,
    "for_each_map_elem": for_each_map_elem,
    "map_lookup_percpu_elem": map_lookup_percpu_elem,
    "tail_call": tail_call,
}
