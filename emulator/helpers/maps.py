"""Helpers on maps."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.tables.maps import FLAGS


def _writable(store: MapStore) -> None:
    if store.spec.flags & FLAGS["rdonly_prog"]:
        raise Stop("access", f"write into {store.handle.name}, which programs may only read (BPF_F_RDONLY_PROG)")


def map_lookup_elem(caller: Caller, store: MapStore, key: bytes) -> Operand:
    """The value's address, or 0."""
    address = store.lookup(key)
    return store.element(address) if address else 0


def map_update_elem(caller: Caller, store: MapStore, key: bytes, value: bytes, flags: int) -> int:
    """0, or a negative errno."""
    _writable(store)
    return store.update(key, value, flags)


def map_delete_elem(caller: Caller, store: MapStore, key: bytes) -> int:
    """0, or a negative errno."""
    _writable(store)
    return store.delete(key)


HELPERS: Mapping[str, Function] = {
    "map_lookup_elem": map_lookup_elem,
    "map_update_elem": map_update_elem,
    "map_delete_elem": map_delete_elem,
}
