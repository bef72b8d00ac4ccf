"""BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS: what stands in them are other maps of the object.

A value is 4 bytes, the address of the inner map's handle, 0 for none in the array; programs never see it, `lookup`
gives them the handle itself. In contents an inner map stands by its name. It has to be like the one of the declaration:
of equal type, sizes and flags, and arrays of equal length but under BPF_F_INNER_MAP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.emulator.access import resolve
from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.declaration import check
from bpfvm.emulator.maps.fields import special_fields
from bpfvm.emulator.maps.hash import Hashed, refused_flags
from bpfvm.emulator.maps.store import ENOTSUPP, EXIST, RDONLY, WRONLY, Answer, Store
from bpfvm.emulator.memory import MapRegion, Pointer
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

INNER_MAP = FLAGS["inner_map"]
UNFIT = frozenset(
    ["prog_array", "array_of_maps", "hash_of_maps", "cgroup_storage", "percpu_cgroup_storage", "struct_ops"]
)


class OfMaps(Store):
    """What both have in common: names of maps, and which may stand inside."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        assert spec.inner is not None, "checked with the declaration"
        self.inner = spec.inner
        if spec.inner.type in UNFIT:
            raise LoadError(f"map {spec.name}: {spec.inner.type} maps cannot stand inside of others")
        check(spec.inner)

    def initialise(self) -> None:
        """Store what the declaration says."""
        for index, name in self.spec.contents:
            key = index.to_bytes(self.spec.key_size, "little")
            number = -self.user_update(key, name.encode(), 0)
            if number:
                raise LoadError(f"map {self.spec.name}: {self.why(number, key, name.encode())}")

    def element(self, address: int) -> Pointer:
        """The handle of an inner map."""
        found = self.system.arena.find(address)
        return super().element(address) if found is None or found.kind != "map" else resolve(self.system.arena, address)

    def handle_of(self, value: bytes | list[bytes]) -> int:
        """Address of the handle of the map with this name, or a negative errno."""
        spec = self.system.spec.maps.get(value.decode(errors="replace")) if isinstance(value, bytes) else None
        if spec is None:
            return -errno.EBADF
        if not self._is_alike(spec):
            return -errno.EINVAL
        return self.system.make_map(spec.name).handle.base

    def name_of(self, handle: int) -> bytes:
        """The name of the map whose handle is at an address."""
        region = self.element(handle).region
        assert isinstance(region, MapRegion), "only handles are stored"
        name: str = region.store.spec.name
        return name.encode()

    def _is_alike(self, spec: MapSpec) -> bool:
        """What the kernel compares (bpf_map_meta_equal), by probes."""
        inner, btf = self.inner, self.system.spec.btf
        if (spec.type, spec.key_size, spec.value_size) != (inner.type, inner.key_size, inner.value_size):
            return False
        if (spec.flags ^ inner.flags) & ~(RDONLY | WRONLY):  # these two are the descriptor's, not the map's
            return False
        if spec.type == "array" and not inner.flags & INNER_MAP and spec.max_entries != inner.max_entries:
            return False
        return special_fields(spec, btf) == special_fields(inner, btf)

    def check_value(self, value: bytes | list[bytes]) -> None:
        if not isinstance(value, bytes):
            raise LoadError(f"map {self.spec.name}: an entry is the name of a map")

    def why(self, number: int, key: bytes, value: bytes | list[bytes]) -> str:
        name = value.decode(errors="replace") if isinstance(value, bytes) else ""
        if number == errno.EBADF:
            return f"there is no map {name!r} to put there; maps are {', '.join(self.system.spec.maps)}"
        if number == errno.EINVAL:
            wanted, found = _shape(self.inner), _shape(self.system.spec.maps[name])
            return f"{name} is {found}, and what may stand there is {wanted} (EINVAL)"
        return super().why(number, key, value)


class ArrayOfMaps(OfMaps):
    """An array of maps, empty at first. Its one flag is BPF_ANY."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        place = system.arena.allocate(f"{spec.name} maps", 4 * spec.max_entries, "map", writable=False, readable=False)
        self._handles = place.data.cast("I")
        self.initialise()

    def lookup(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        return self._handles[index] if index < self.spec.max_entries else 0

    def user_lookup(self, key: bytes) -> Answer:
        handle = self.lookup(key)
        return self.name_of(handle) if handle else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        handle = self.handle_of(value)
        if handle < 0:
            return handle
        self._handles[index] = handle
        return 0

    def user_delete(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        if not self._handles[index]:
            return -errno.ENOENT
        self._handles[index] = 0
        return 0

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)


class HashOfMaps(OfMaps, Hashed):
    """A hash of maps. An update of a key that is there stores in place."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self.initialise()

    def walk(self) -> Iterator[tuple[int, int]]:
        raise self.refused("for_each_map_elem")

    def delete(self, key: bytes) -> int:
        raise self.refused("map_delete_elem")

    def lookup(self, key: bytes) -> int:
        found = self.table.get(key)
        return self.words[found >> 2] if found else 0

    def user_lookup(self, key: bytes) -> Answer:
        handle = self.lookup(key)
        return self.name_of(handle) if handle else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        handle = self.handle_of(value)
        if handle < 0:
            return handle
        if flags > EXIST:
            return -errno.EINVAL
        found = self.table.get(key)
        refused = refused_flags(found, flags)
        if refused:
            return refused
        if not found:
            element = self.slab.allocate() if len(self.table) < self.capacity else 0
            if not element:
                return -errno.E2BIG
            self.table.insert(element, key)
            found = element + self.table.value
        self.words[found >> 2] = handle
        return 0

    def user_pop(self, key: bytes) -> Answer:
        return -ENOTSUPP


def _shape(spec: MapSpec) -> str:
    return (
        f"a map of type {spec.type} with keys of {spec.key_size} and values of {octets(spec.value_size)}, "
        f"{spec.max_entries} entries, flags {spec.flags:#x}"
    )


TYPES: Mapping[str, MapClass] = {"array_of_maps": ArrayOfMaps, "hash_of_maps": HashOfMaps}
