"""The table of map types against the running kernel: what can be declared, and what user space can do with it."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest

from bpfvm.kernel.sys import ENOTSUPP, MAP_CREATE, Fd, MapBatch, MapCreate, MapElement, address, bpf
from bpfvm.tables.maps import FLAGS, MAP_TYPES, MapType
from kernel_tests.loading import release

PAGE = os.sysconf("SC_PAGESIZE")
BTF_LOAD = 18  # enum bpf_cmd
COMMANDS = {"lookup": 1, "update": 2, "delete": 3, "next": 4, "pop": 21, "batch": 24}
ENTRIES = {"any": (1, 3, 4096), "none": (0,), "one": (1,), "pages": (PAGE, 2 * PAGE), "cpus": (1,)}
WRONG_ENTRIES = {
    "any": (0,),
    "none": (1, 4096),
    "one": (0, 2),
    "pages": (0, 1, 3 * PAGE, PAGE + 1),
    "cpus": (0, 1 << 20),
}
TRIED = range(0, 70)  # bytes of keys and values

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"
)

# struct_ops maps take the BTF id of a structure of the kernel in place of sizes: nothing here makes one
TYPES = [row for row in MAP_TYPES if row.name != "struct_ops"]


class BtfLoad(ctypes.Structure):
    """BPF_BTF_LOAD."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("log", ctypes.c_uint64),
        ("size", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_level", ctypes.c_uint32),
    )


@pytest.fixture(scope="module")
def btf() -> Iterator[int]:
    """BTF with one type: an int of 32 bits."""
    strings, types = b"\0int\0", struct.pack("=IIII", 1, 1 << 24, 4, 32)
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    data = header + types + strings
    with Fd(bpf(BTF_LOAD, BtfLoad(btf=address(data), size=len(data)))) as fd:
        yield fd.number


@pytest.fixture(scope="module")
def inner() -> Iterator[int]:
    """An array to be inside of maps of maps."""
    with Fd(bpf(MAP_CREATE, MapCreate(map_type=2, key_size=4, value_size=4, max_entries=1))) as fd:
        yield fd.number


class Maker:
    """Makes maps of one type; `base` is a declaration that the table calls good."""

    def __init__(self, row: MapType, inner: int, btf: int) -> None:
        self.row, self.inner, self.btf = row, inner, btf
        value = 4 if 4 in row.values else row.values[0]
        self.base = {
            "key_size": row.keys[0], "value_size": value, "max_entries": ENTRIES[row.entries][0],
            "map_flags": row.required_flags,
        }  # fmt: skip

    @contextmanager
    def made(self, **other: int) -> Iterator[int | None]:
        """The descriptor of a map declared as `base` with other values, None where the kernel refuses."""
        attr = MapCreate(map_type=self.row.number, **(self.base | other))
        if self.row.inner:
            attr.inner_map_fd = self.inner
        if self.row.btf:
            attr.btf_fd, attr.btf_key_type_id, attr.btf_value_type_id = self.btf, 1, 1
        try:
            fd = Fd(bpf(MAP_CREATE, attr))
        except OSError:
            yield None
            return
        with fd:
            yield fd.number

    def takes(self, **other: int) -> bool:
        """Whether the kernel makes such a map."""
        with self.made(**other) as fd:
            return fd is not None


def test_declarations(inner: int, btf: int) -> None:
    tried = 0
    for row in TYPES:
        maker = Maker(row, inner, btf)
        assert maker.takes(), f"{row.name}: {maker.base}"
        for size in chain(TRIED, (260, 261)):
            assert maker.takes(key_size=size) == (size in row.keys), (row.name, "key", size)
            if not row.btf:  # a size other than the type's is refused for that
                assert maker.takes(value_size=size) == (size in row.values), (row.name, "value", size)
            tried += 1 if row.btf else 2
        for number, good in [
            *((one, True) for one in ENTRIES[row.entries]),
            *((one, False) for one in WRONG_ENTRIES[row.entries]),
        ]:
            assert maker.takes(max_entries=number) == good, (row.name, "entries", number)
            tried += 1
        tried += _flags(row, maker)
    print(f"{tried} declarations of {len(TYPES)} map types")
    assert tried >= 4_900


def _flags(row: MapType, maker: Maker) -> int:
    """Each flag alone, and what is required left out."""
    tried = 0
    for name, bit in FLAGS.items():
        if name in ("path_fd", "vtype_btf_obj_fd", "token_fd"):
            continue  # say how other attributes are read
        allowed = bool(row.allowed_flags & bit)
        sizes = {"value_size": 32} if name == "stack_build_id" and row.name == "stack_trace" else {}
        assert maker.takes(map_flags=row.required_flags | bit, **sizes) == allowed, (row.name, name)
        tried += 1
    for name in row.required.split():
        assert not maker.takes(map_flags=row.required_flags & ~FLAGS[name]), (row.name, name)
        tried += 1
    return tried


def test_what_user_space_can_do(inner: int, btf: int) -> None:
    tried = 0
    for row in TYPES:
        with Maker(row, inner, btf).made() as fd:
            assert fd is not None
            for name, command in COMMANDS.items():
                number = _errno(row, fd, name, command, inner)
                cannot = number in (ENOTSUPP, errno.EOPNOTSUPP) or (number == errno.EINVAL and not row.can(name))
                assert cannot != row.can(name), (row.name, name, errno.errorcode.get(number, number))
                tried += 1
    print(f"{tried} commands on {len(TYPES)} map types")
    assert tried >= 190


def _errno(row: MapType, fd: int, name: str, command: int, inner: int) -> int:
    """The errno of one command with a key and a value that mean something to the map."""
    key, value = ctypes.create_string_buffer(64), ctypes.create_string_buffer(256)
    struct.pack_into("=I", value, 0, inner if row.inner else 64 if row.holds == "cpu" else 1)
    other = ctypes.create_string_buffer(64)
    attr: MapElement | MapBatch
    with socket.socket() as sock:
        if row.owner:
            struct.pack_into("=I", key, 0, sock.fileno())
        if name == "batch":
            attr = MapBatch(out_batch=address(other), keys=address(key), values=address(value), count=1, map_fd=fd)
        else:
            attr = MapElement(
                map_fd=fd, key=address(key) if row.keys[0] and name != "next" else 0, value=address(value)
            )
        try:
            bpf(command, attr)
        except OSError as error:
            return error.errno or 0
    return 0


def test_the_sizes_of_values_by_cpu(inner: int, btf: int) -> None:
    """A value of a per-CPU map is as many values, each padded to 8 bytes, as CPUs are possible."""
    with open("/sys/devices/system/cpu/possible") as file:
        last = file.read().strip().split("-")[-1]
    each, cpus = 8, int(last) + 1
    seen = 0
    for row in MAP_TYPES:
        if not row.per_cpu or row.owner:
            continue
        with Maker(row, inner, btf).made() as fd:
            assert fd is not None
            key, value = ctypes.create_string_buffer(8), ctypes.create_string_buffer(b"\xaa" * (each * cpus + 8))
            given = ctypes.create_string_buffer(bytes(each * cpus))
            bpf(COMMANDS["update"], MapElement(map_fd=fd, key=address(key), value=address(given)))
            bpf(COMMANDS["lookup"], MapElement(map_fd=fd, key=address(key), value=address(value)))
            assert value.raw[: each * cpus] == bytes(each * cpus), row.name
            assert value.raw[each * cpus : each * cpus + 8] == b"\xaa" * 8, row.name
            seen += 1
    print(f"{seen} per-CPU map types, {cpus} CPUs")
    assert seen >= 3
