"""Maps over the arena, one class a kernel map type, by one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.memory import Arena, Pointer, Region
from bpfvm.obj.model import MapSpec


class MapStore(Protocol):
    """What every map can do. Addresses are the arena's; results are 0 or a negative errno, as the kernel's.

    element: the pointer to the value around an address, bounded by that one value.
    """

    spec: MapSpec
    values: Region

    def element(self, address: int) -> Pointer: ...

    def lookup(self, key: bytes) -> int: ...

    def update(self, key: bytes, value: bytes, flags: int) -> int: ...

    def delete(self, key: bytes) -> int: ...

    def entries(self) -> Entries: ...

    def fill(self, entries: Entries) -> None: ...


TYPES: Mapping[str, type[ArrayMap]] = {"array": ArrayMap}


def create(arena: Arena, spec: MapSpec) -> MapStore:
    """The map that `spec` declares. Unavailable names a type that the emulator does not have."""
    found = TYPES.get(spec.type)
    if found is None:
        raise Unavailable(f"map {spec.name}: the emulator has no {spec.type} maps in this version")
    return found(arena, spec)
