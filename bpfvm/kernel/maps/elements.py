"""The elements of one map in the kernel, read and written as user space does, each type in the way that it allows.

What a map holds besides data (programs, maps) goes in and out by name: the kernel takes descriptors and gives out ids.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Mapping

from bpfvm.core.amounts import octets
from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.kernel.host.sizes import BYTE_ORDER, object_id, possible_cpus
from bpfvm.kernel.maps.batch import NO_BATCH, Batches
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.walk import walk
from bpfvm.kernel.sys import (
    MAP_LOOKUP_AND_DELETE,
    MAP_UPDATE_ELEM,
    Fd,
    MapElement,
    address,
    bpf,
    error_name,
    error_text,
)
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

_NAMED = ("prog", "map")  # what an element is when it goes in by descriptor and comes out by id

__all__ = ["BYTE_ORDER", "Elements", "object_id", "possible_cpus"]


class Elements:
    """The elements of the map behind `fd`. named: the programs or maps that may stand in it, name -> descriptor."""

    def __init__(self, fd: Fd, spec: MapSpec, named: Mapping[str, int]) -> None:
        self.fd, self.spec, self.named = fd, spec, named
        self._row = BY_NAME[spec.type]
        self._cpus = possible_cpus() if self._row.per_cpu else 1
        self._stride = (spec.value_size + 7) // 8 * 8 if self._row.per_cpu else spec.value_size
        self._room = self._stride * self._cpus  # bytes of one element's value in the calls
        self._ids: dict[int, str] = {}

    def read(self) -> Entries:
        """Every element: indexes in order, other keys sorted by their bytes, queues and stacks as they were pushed.

        What user space cannot read (events, storage of other objects) has none.
        """
        if self.spec.type in ("queue", "stack"):
            return self._popped()
        if not (self._row.can("lookup") and self._row.can("next")) or self._row.owner:
            return []
        try:
            found = self._batches() if self._row.can("batch") else list(walk(Calls(self)))
        except OSError as error:
            if error.errno not in NO_BATCH or not self._row.can("batch"):
                raise self.error(error, "read") from None
            found = list(walk(Calls(self)))
        return sorted(found, key=lambda one: _index(one[0]) if self._row.key_size == 4 else one[0])

    def write(self, entries: Entries) -> None:
        """Store every entry; of a per-CPU value that is given for fewer CPUs, zeros on the others, as contents for an
        emulator are written. Raises UsageError for one that does not fit the map."""
        for key, value in entries:
            self._check(key, value)
            data = self._given(key, value)
            try:
                bpf(MAP_UPDATE_ELEM, self._element(key, data))
            except OSError as error:
                raise self.error(error, "written") from None

    def _shown(self, value: bytes) -> bytes | list[bytes]:
        size, stride = self.spec.value_size, self._stride
        if self._row.per_cpu:
            return [value[cpu * stride : cpu * stride + size] for cpu in range(self._cpus)]
        return self._name(value) if self._row.holds in _NAMED else value

    def _given(self, key: bytes, value: bytes | list[bytes]) -> bytes:
        """The value as the call takes it."""
        if isinstance(value, list):
            return b"".join(one.ljust(self._stride, b"\0") for one in value).ljust(self._room, b"\0")
        if self._row.holds not in _NAMED:
            return value
        name = value.decode(errors="replace")
        if name not in self.named:
            raise UsageError(f"map {self.spec.name}: there is no {self._row.holds} {name!r} to put there")
        return self.named[name].to_bytes(4, BYTE_ORDER)

    def _name(self, value: bytes) -> bytes:
        """The name behind an id; the id in decimal for what others put there."""
        number = int.from_bytes(value, BYTE_ORDER)
        if not self._ids:
            self._ids = {object_id(fd, self._row.holds): name for name, fd in self.named.items()}
        return self._ids.get(number, str(number)).encode()

    def _batches(self) -> Entries:
        """All elements by batch calls, each key once."""
        key_size, size = self.spec.key_size, self._room
        met: dict[bytes, bytes] = {}
        for chunk in Batches(self.spec, self.fd, size).chunks():
            keys, values = chunk.keys.tobytes(), chunk.values[: chunk.count * size].tobytes()
            for at in range(chunk.count):
                met[keys[at * key_size : (at + 1) * key_size]] = values[at * size : (at + 1) * size]
        return [(key, self._shown(value)) for key, value in met.items()]

    def _popped(self) -> Entries:
        """A queue's or a stack's values in the order in which they were pushed, put back as they were."""
        values, value = [], ctypes.create_string_buffer(self._room)
        attr = MapElement(map_fd=self.fd.number, value=address(value))
        while True:
            try:
                bpf(MAP_LOOKUP_AND_DELETE, attr)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    break
                raise self.error(error, "read") from None
            values.append(value.raw)
        if self.spec.type == "stack":
            values.reverse()
        for one in values:
            bpf(MAP_UPDATE_ELEM, self._element(b"", one))
        return [(b"", one) for one in values]

    def _element(self, key: bytes, value: bytes | ctypes.Array[ctypes.c_char]) -> MapElement:
        return MapElement(map_fd=self.fd.number, key=address(key) if key else 0, value=address(value))

    def _check(self, key: bytes, value: bytes | list[bytes]) -> None:
        spec = self.spec
        if isinstance(value, list) != self._row.per_cpu:
            wanted = f"a list of {self._cpus}, one a CPU" if self._row.per_cpu else "one for all CPUs"
            raise UsageError(f"map {spec.name}: {'a list of values' if isinstance(value, list) else 'one value'}, "
                             f"and this map's are {wanted}")  # fmt: skip
        items = value if isinstance(value, list) else [value]
        if not 0 < len(items) <= self._cpus:
            raise UsageError(f"map {spec.name}: {len(items)} values, and this kernel has {self._cpus} possible CPUs")
        if len(key) != spec.key_size:
            raise UsageError(f"map {spec.name}: a key of {octets(len(key))}, and this map's have {spec.key_size}")
        for one in items:
            if self._row.holds not in _NAMED and len(one) != spec.value_size:
                raise UsageError(
                    f"map {spec.name}: a value of {octets(len(one))}, and this map's have {spec.value_size}"
                )
        if "array" in spec.type and _index(key) >= spec.max_entries:
            raise UsageError(f"map {spec.name}: index {_index(key)}, and the last is {spec.max_entries - 1}")

    def error(self, error: OSError, done: str) -> BpfvmError:
        """What users are told of a call that the kernel refused."""
        name, number = self.spec.name, error.errno or 0
        if number == errno.EPERM:
            return UsageError(f"map {name} cannot be {done}: its flags ({self.spec.flags:#x}) forbid it (EPERM)")
        if number == errno.E2BIG:
            return UsageError(
                f"map {name} cannot be {done}: it has room for {self.spec.max_entries} entries, and there are more "
                f"(E2BIG); give it fewer, or make the map larger"
            )
        return Unavailable(f"map {name} cannot be {done}: {error_text(number)} ({error_name(number)})")


def _index(key: bytes) -> int:
    return int.from_bytes(key, BYTE_ORDER)
