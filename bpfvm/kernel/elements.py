"""The elements of one map in the kernel, read and written as user space does, each type in the way that it allows.

What a map holds besides data (programs, maps) goes in and out by name: the kernel takes descriptors and gives out ids.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.kernel.sys import (
    ENOTSUPP,
    MAP_GET_NEXT_KEY,
    MAP_LOOKUP_AND_DELETE,
    MAP_LOOKUP_BATCH,
    MAP_LOOKUP_ELEM,
    MAP_UPDATE_ELEM,
    OBJ_GET_INFO_BY_FD,
    Fd,
    MapBatch,
    MapElement,
    ObjectInfo,
    address,
    bpf,
    error_name,
    error_text,
)
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

BYTE_ORDER: Literal["little", "big"] = sys.byteorder
POSSIBLE = Path("/sys/devices/system/cpu/possible")  # what the kernel sizes per-CPU values by, not those online

_BATCH_BYTES = 1 << 20  # of values read by one call
_NO_BATCH = (errno.EINVAL, ENOTSUPP)  # a kernel before 5.6, a map type without batch calls
_NAMED = ("prog", "map")  # what an element is when it goes in by descriptor and comes out by id


@functools.cache
def possible_cpus() -> int:
    """How many values a per-CPU element has."""
    last = POSSIBLE.read_text(encoding="ascii").strip().split(",")[-1]
    return int(last.rpartition("-")[2]) + 1


class Elements:
    """The elements of the map behind `fd`. named: the programs or maps that may stand in it, name -> descriptor."""

    def __init__(self, fd: Fd, spec: MapSpec, named: Mapping[str, int]) -> None:
        self._fd, self._spec, self._named = fd, spec, named
        self._row = BY_NAME[spec.type]
        self._cpus = possible_cpus() if self._row.per_cpu else 1
        self._stride = (spec.value_size + 7) // 8 * 8 if self._row.per_cpu else spec.value_size
        self._room = self._stride * self._cpus  # bytes of one element's value in the calls
        self._ids: dict[int, str] = {}

    def read(self) -> Entries:
        """Every element: indexes in order, other keys sorted by their bytes, queues and stacks as they would be popped.

        What user space cannot read (events, storage of other objects) has none.
        """
        if self._spec.type in ("queue", "stack"):
            return self._popped()
        if not (self._row.can("lookup") and self._row.can("next")) or self._row.owner:
            return []
        try:
            found = list(self._batches() if self._row.can("batch") else self._singles())
        except OSError as error:
            if error.errno not in _NO_BATCH or not self._row.can("batch"):
                raise self.error(error, "read") from None
            found = list(self._singles())
        if self._row.key_size == 4:
            return [(key, self._shown(value)) for key, value in sorted(found, key=lambda one: _index(one[0]))]
        return [(key, self._shown(value)) for key, value in sorted(found)]

    def write(self, entries: Entries) -> None:
        """Store every entry. Raises UsageError for one that does not fit the map."""
        for key, value in entries:
            self._check(key, value)
            data = self._given(key, value)
            try:
                bpf(MAP_UPDATE_ELEM, self._element(key, data))
            except OSError as error:
                raise self.error(error, "written") from None

    def _shown(self, value: bytes) -> bytes | list[bytes]:
        size, stride = self._spec.value_size, self._stride
        if self._row.per_cpu:
            return [value[cpu * stride : cpu * stride + size] for cpu in range(self._cpus)]
        return self._name(value) if self._row.holds in _NAMED else value

    def _given(self, key: bytes, value: bytes | list[bytes]) -> bytes:
        """The value as the call takes it."""
        if isinstance(value, list):
            return b"".join(one.ljust(self._stride, b"\0") for one in value)
        if self._row.holds not in _NAMED:
            return value
        name = value.decode(errors="replace")
        if name not in self._named:
            raise UsageError(f"map {self._spec.name}: there is no {self._row.holds} {name!r} to put there")
        return self._named[name].to_bytes(4, BYTE_ORDER)

    def _name(self, value: bytes) -> bytes:
        """The name behind an id; the id in decimal for what others put there."""
        number = int.from_bytes(value, BYTE_ORDER)
        if not self._ids:
            self._ids = {object_id(fd, self._row.holds): name for name, fd in self._named.items()}
        return self._ids.get(number, str(number)).encode()

    def _batches(self) -> Iterator[tuple[bytes, bytes]]:
        """All elements by BPF_MAP_LOOKUP_BATCH, in chunks so that a large map needs no second copy of itself."""
        key_size, size = self._spec.key_size, self._room
        room = max(64, min(self._spec.max_entries, _BATCH_BYTES // size))
        keys, values = self._buffers(room)
        place = ctypes.create_string_buffer(max(key_size, 8))
        attr = MapBatch(map_fd=self._fd.number, keys=address(keys), values=address(values), out_batch=address(place))
        done = False
        while not done:
            attr.count = room
            try:
                bpf(MAP_LOOKUP_BATCH, attr)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # a bucket of a hash holds more than there is room for
                    room *= 2
                    keys, values = self._buffers(room)
                    attr.keys, attr.values = address(keys), address(values)
                    continue
                if error.errno != errno.ENOENT:  # ENOENT: these were the last
                    raise
                done = True
            names, chunk = keys.raw, ctypes.string_at(values, attr.count * size)
            for at in range(attr.count):
                yield names[at * key_size : (at + 1) * key_size], chunk[at * size : (at + 1) * size]
            attr.in_batch = attr.out_batch

    def _buffers(self, room: int) -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]:
        """For `room` keys and values."""
        return ctypes.create_string_buffer(room * self._spec.key_size), ctypes.create_string_buffer(room * self._room)

    def _singles(self) -> Iterator[tuple[bytes, bytes]]:
        value = ctypes.create_string_buffer(self._room)
        for key in self._keys():
            try:
                bpf(MAP_LOOKUP_ELEM, self._element(key, value))
            except OSError as error:
                # no element at this index, or gone by now; 4 bytes, which have no room for a socket's cookie
                if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENOSPC):
                    continue
                raise
            yield key, value.raw

    def _keys(self) -> Iterator[bytes]:
        key: bytes | None = None
        found = ctypes.create_string_buffer(self._spec.key_size)
        while True:
            attr = MapElement(map_fd=self._fd.number, key=address(key) if key is not None else 0, value=address(found))
            try:
                bpf(MAP_GET_NEXT_KEY, attr)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            key = found.raw
            yield key

    def _popped(self) -> Entries:
        """A queue's or a stack's values in the order of leaving, put back as they were."""
        values, value = [], ctypes.create_string_buffer(self._room)
        attr = MapElement(map_fd=self._fd.number, value=address(value))
        while True:
            try:
                bpf(MAP_LOOKUP_AND_DELETE, attr)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    break
                raise self.error(error, "read") from None
            values.append(value.raw)
        for one in values if self._spec.type == "queue" else reversed(values):
            bpf(MAP_UPDATE_ELEM, self._element(b"", one))
        return [(b"", one) for one in values]

    def _element(self, key: bytes, value: bytes | ctypes.Array[ctypes.c_char]) -> MapElement:
        return MapElement(map_fd=self._fd.number, key=address(key) if key else 0, value=address(value))

    def _check(self, key: bytes, value: bytes | list[bytes]) -> None:
        spec = self._spec
        if isinstance(value, list) != self._row.per_cpu:
            wanted = f"a list of {self._cpus}, one a CPU" if self._row.per_cpu else "one for all CPUs"
            raise UsageError(f"map {spec.name}: {'a list of values' if isinstance(value, list) else 'one value'}, "
                             f"and this map's are {wanted}")  # fmt: skip
        items = value if isinstance(value, list) else [value]
        if len(items) != self._cpus:
            raise UsageError(f"map {spec.name}: {len(items)} values, and this kernel has {self._cpus} possible CPUs")
        if len(key) != spec.key_size:
            raise UsageError(f"map {spec.name}: a key of {len(key)} bytes, and this map's have {spec.key_size}")
        for one in items:
            if self._row.holds not in _NAMED and len(one) != spec.value_size:
                raise UsageError(f"map {spec.name}: a value of {len(one)} bytes, and this map's have {spec.value_size}")
        if "array" in spec.type and _index(key) >= spec.max_entries:
            raise UsageError(f"map {spec.name}: index {_index(key)}, and the last is {spec.max_entries - 1}")

    def error(self, error: OSError, done: str) -> BpfvmError:
        """What users are told of a call that the kernel refused."""
        name, number = self._spec.name, error.errno or 0
        if number == errno.EPERM:
            return UsageError(f"map {name} cannot be {done}: its flags ({self._spec.flags:#x}) forbid it (EPERM)")
        return Unavailable(f"map {name} cannot be {done}: {error_text(number)} ({error_name(number)})")


def object_id(fd: int, what: str) -> int:
    """The kernel's id of the program or map behind a descriptor: the second word of its information."""
    words = (ctypes.c_uint32 * 2)()
    attr = ObjectInfo(fd=fd, info_len=ctypes.sizeof(words), info=ctypes.addressof(words))
    bpf(OBJ_GET_INFO_BY_FD, attr)
    return int(words[1])


def _index(key: bytes) -> int:
    return int.from_bytes(key, BYTE_ORDER)
