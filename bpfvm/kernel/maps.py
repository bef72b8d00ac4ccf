"""One map in the kernel: created, filled, read back."""

from __future__ import annotations

import ctypes
import errno
import re
import sys
from collections.abc import Iterator
from typing import Literal

from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.kernel import privilege
from bpfvm.kernel.sys import (
    ENOTSUPP,
    MAP_CREATE,
    MAP_FREEZE,
    MAP_LOOKUP_BATCH,
    MAP_LOOKUP_ELEM,
    MAP_UPDATE_ELEM,
    NAME_LENGTH,
    Fd,
    MapBatch,
    MapCreate,
    MapElement,
    address,
    bpf,
    error_name,
    error_text,
)
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

BYTE_ORDER: Literal["little", "big"] = sys.byteorder

_RDONLY_PROG = 1 << 7  # BPF_F_RDONLY_PROG: the verifier takes frozen contents of such a map for constants
_BATCH_BYTES = 1 << 20  # of values read by one call
_NO_BATCH = (errno.EINVAL, ENOTSUPP)  # a kernel before 5.6, a map type without batch calls


class KernelMap:
    """An array map; its descriptor is closed by `close`."""

    def __init__(self, spec: MapSpec) -> None:
        """Create the map. Raises LoadError for a declaration that cannot be, Unavailable for what is not allowed."""
        if spec.type != "array":
            raise Unavailable(f"map {spec.name}: engine kernel has no maps of type {spec.type!r}; it has array")
        self.spec = spec
        self.fd = Fd(_create(spec))

    def close(self) -> None:
        """Close the descriptor; the kernel frees the map when no program refers to it."""
        self.fd.close()

    def fill(self, entries: Entries) -> None:
        """Contents at load: the declaration's own, then `entries`; read-only data is frozen behind them."""
        if self.spec.initial is not None:
            self.write([(bytes(self.spec.key_size), self.spec.initial)])
        self.write(entries)
        if self.spec.initial is not None and self.spec.flags & _RDONLY_PROG:
            self._call(MAP_FREEZE, MapElement(map_fd=self.fd.number), "frozen")

    def write(self, entries: Entries) -> None:
        """Store every entry. Raises UsageError for one that does not fit the map."""
        for key, value in entries:
            self._check(key, value)
            assert isinstance(value, bytes)
            self._call(MAP_UPDATE_ELEM, self._element(key, value), "written")

    def read(self) -> Entries:
        """Every index with its value, in order."""
        try:
            values = list(self._batches())
        except OSError as error:
            if error.errno not in _NO_BATCH:
                raise self._error(error, "read") from None
            values = list(self._singles())
        return [(_index(number), value) for number, value in enumerate(values)]

    def _batches(self) -> Iterator[bytes]:
        """All values by BPF_MAP_LOOKUP_BATCH, a chunk at a time so that a large map needs no second copy of itself."""
        size, total = self.spec.value_size, self.spec.max_entries
        room = max(1, min(total, _BATCH_BYTES // size))
        keys, values = ctypes.create_string_buffer(room * 4), ctypes.create_string_buffer(room * size)
        place = ctypes.create_string_buffer(4)
        attr = MapBatch(
            map_fd=self.fd.number, keys=address(keys), values=address(values), out_batch=address(place)
        )  # fmt: skip
        done = 0
        while done < total:
            attr.count = min(room, total - done)  # asked for more than there is, the kernel ends with ENOENT
            bpf(MAP_LOOKUP_BATCH, attr)
            chunk = ctypes.string_at(values, attr.count * size)
            yield from (chunk[at : at + size] for at in range(0, len(chunk), size))
            done += attr.count
            attr.in_batch = attr.out_batch

    def _singles(self) -> Iterator[bytes]:
        value = ctypes.create_string_buffer(self.spec.value_size)
        for number in range(self.spec.max_entries):
            self._call(MAP_LOOKUP_ELEM, self._element(_index(number), value), "read")
            yield value.raw

    def _element(self, key: bytes, value: bytes | ctypes.Array[ctypes.c_char]) -> MapElement:
        return MapElement(map_fd=self.fd.number, key=address(key), value=address(value))

    def _check(self, key: bytes, value: bytes | list[bytes]) -> None:
        spec = self.spec
        if isinstance(value, list):
            raise UsageError(f"map {spec.name}: a list of values, one a CPU, and this map has one value for all CPUs")
        for what, given, wanted in (("key", key, spec.key_size), ("value", value, spec.value_size)):
            if len(given) != wanted:
                raise UsageError(f"map {spec.name}: a {what} of {len(given)} bytes, and this map's have {wanted}")
        number = int.from_bytes(key, BYTE_ORDER)
        if number >= spec.max_entries:
            raise UsageError(f"map {spec.name}: index {number}, and the last is {spec.max_entries - 1}")

    def _call(self, command: int, attr: MapElement, done: str) -> None:
        try:
            bpf(command, attr)
        except OSError as error:
            raise self._error(error, done) from None

    def _error(self, error: OSError, done: str) -> BpfvmError:
        name, number = self.spec.name, error.errno or 0
        if number == errno.EPERM:
            return UsageError(f"map {name} cannot be {done}: its flags ({self.spec.flags:#x}) forbid it (EPERM)")
        return Unavailable(f"map {name} cannot be {done}: {error_text(number)} ({error_name(number)})")


def kernel_name(name: str) -> bytes:
    """`name` as the kernel takes it: 15 characters, letters, digits, `_` and `.` (bpf_obj_name_cpy)."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name).encode("ascii")[: NAME_LENGTH - 1]


def _index(number: int) -> bytes:
    return number.to_bytes(4, BYTE_ORDER)


def _create(spec: MapSpec) -> int:
    row = BY_NAME[spec.type]
    _check_declaration(spec, row.key_size)
    attr = MapCreate(
        map_type=row.number, key_size=spec.key_size, value_size=spec.value_size, max_entries=spec.max_entries,
        map_flags=spec.flags, map_name=kernel_name(spec.name),
    )  # fmt: skip
    try:
        return bpf(MAP_CREATE, attr)
    except OSError as error:
        raise _refused(spec, error.errno or 0) from None


def _check_declaration(spec: MapSpec, key_size: int | None) -> None:
    if key_size is not None and spec.key_size != key_size:
        raise LoadError(f"map {spec.name}: keys of {spec.key_size} bytes, and those of an {spec.type} have {key_size}")
    for what, number, least in (
        ("value_size", spec.value_size, 1), ("max_entries", spec.max_entries, 1), ("flags", spec.flags, 0),
    ):  # fmt: skip
        if not least <= number <= M32:
            raise LoadError(f"map {spec.name}: {what} is {number}, and the kernel takes {least} to {M32}")
    if spec.initial is not None and len(spec.initial) != spec.value_size:
        raise LoadError(
            f"map {spec.name}: initial contents of {len(spec.initial)} bytes, and a value has {spec.value_size}"
        )


def _refused(spec: MapSpec, number: int) -> BpfvmError:
    shape = f"max_entries {spec.max_entries}, value_size {spec.value_size}, flags {spec.flags:#x}"
    if number == errno.EPERM:
        return privilege.refusal("creating a map", privilege.MAP_NEEDS)
    if number == errno.ENOSYS:
        return Unavailable("this kernel has no bpf(2) (ENOSYS); it must be built with CONFIG_BPF_SYSCALL")
    if number in (errno.E2BIG, errno.ENOMEM):
        return LoadError(f"map {spec.name} is too large for this kernel ({error_name(number)}): {shape}")
    if number == errno.EINVAL:
        return LoadError(f"map {spec.name}: this kernel makes no {spec.type} map of this shape (EINVAL): {shape}")
    return Unavailable(f"map {spec.name} cannot be created: {error_text(number)} ({error_name(number)})")
