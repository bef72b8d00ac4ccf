"""Attribute and information structures of bpf(2) for pins and for objects by id (include/uapi/linux/bpf.h)."""

from __future__ import annotations

import ctypes

from bpfvm.kernel.sys import NAME_LENGTH, OBJ_GET_INFO_BY_FD, ObjectInfo, bpf

# commands, enum bpf_cmd
OBJ_PIN, OBJ_GET = 6, 7
PROG_GET_NEXT_ID, MAP_GET_NEXT_ID, MAP_GET_FD_BY_ID, BTF_GET_FD_BY_ID = 11, 12, 14, 19
BTF_GET_NEXT_ID, LINK_GET_NEXT_ID, PROG_BIND_MAP = 23, 31, 35


class ObjectPath(ctypes.Structure):
    """BPF_OBJ_PIN and BPF_OBJ_GET. pathname: an address of text that ends in a zero."""

    _fields_ = (("pathname", ctypes.c_uint64), ("bpf_fd", ctypes.c_uint32), ("file_flags", ctypes.c_uint32))


class BindMap(ctypes.Structure):
    """BPF_PROG_BIND_MAP."""

    _fields_ = (("prog_fd", ctypes.c_uint32), ("map_fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class ById(ctypes.Structure):
    """BPF_*_GET_FD_BY_ID (id), BPF_*_GET_NEXT_ID (id before it in, next_id out)."""

    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


class MapInfo(ctypes.Structure):
    """struct bpf_map_info as far as it is read."""

    _fields_ = (
        ("type", ctypes.c_uint32), ("id", ctypes.c_uint32), ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32), ("max_entries", ctypes.c_uint32), ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * NAME_LENGTH), ("ifindex", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32), ("netns_dev", ctypes.c_uint64), ("netns_ino", ctypes.c_uint64),
        ("btf_id", ctypes.c_uint32), ("btf_key_type_id", ctypes.c_uint32), ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_id", ctypes.c_uint32), ("map_extra", ctypes.c_uint64),
    )  # fmt: skip


class BtfInfo(ctypes.Structure):
    """struct bpf_btf_info. name: an address of name_len bytes of room; kernel_btf: 1 for the kernel and its modules."""

    _fields_ = (
        ("btf", ctypes.c_uint64), ("btf_size", ctypes.c_uint32), ("id", ctypes.c_uint32), ("name", ctypes.c_uint64),
        ("name_len", ctypes.c_uint32), ("kernel_btf", ctypes.c_uint32),
    )  # fmt: skip


def inform(fd: int, info: ctypes.Structure) -> None:
    """BPF_OBJ_GET_INFO_BY_FD: fill in `info`, whose tail stays zero where the kernel knows less. Raises OSError."""
    bpf(OBJ_GET_INFO_BY_FD, ObjectInfo(fd=fd, info_len=ctypes.sizeof(info), info=ctypes.addressof(info)))


def ids(command: int) -> list[int]:
    """The numbers of all programs, maps, types or links, by BPF_*_GET_NEXT_ID. OSError: EPERM without rights."""
    found, attr = list[int](), ById()
    while True:
        try:
            bpf(command, attr)
        except FileNotFoundError:
            return found
        found.append(attr.next_id)
        attr.id = attr.next_id
