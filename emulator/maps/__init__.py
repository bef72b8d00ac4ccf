"""Maps over the arena, one class a kernel map type, by one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.memory import MapRegion, Pointer
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.system import System


class MapStore(Protocol):
    """What every map can do. Addresses are the arena's; results are 0 or a negative errno, as the kernel's.

    element: the pointer to the value around an address, bounded by that one value. direct: what an lddw of the map's
    value loads, LoadError for a type or shape that the kernel has no such loads for. entries, fill: user space's side.
    """

    spec: MapSpec
    handle: MapRegion  # what a pointer to the map points to; the system sets it

    def element(self, address: int) -> Pointer: ...

    def direct(self, offset: int) -> Pointer: ...

    def lookup(self, key: bytes) -> int: ...

    def update(self, key: bytes, value: bytes, flags: int) -> int: ...

    def delete(self, key: bytes) -> int: ...

    def reload(self) -> None:
        """Find again, from the bytes in the arena, what Python keeps beside them: the arena was restored."""

    def entries(self) -> Entries: ...

    def fill(self, entries: Entries) -> None: ...


TYPES: Mapping[str, type[ArrayMap]] = {"array": ArrayMap}


def create(system: System, spec: MapSpec) -> MapStore:
    """The map that `spec` declares. Unavailable names a type that the emulator does not have."""
    found = TYPES.get(spec.type)
    if found is None:
        raise Unavailable(f"map {spec.name}: the emulator has no {spec.type} maps in this version")
    return found(system, spec)
