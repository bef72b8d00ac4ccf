"""Maps that stand in maps: the kernel takes their descriptors and gives out their ids."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.sys import NAME_LENGTH, OBJ_GET_INFO_BY_FD, Fd, ObjectInfo, bpf, error_name
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NUMBER

_MAP_GET_FD_BY_ID = 14


class _ById(ctypes.Structure):
    """BPF_MAP_GET_FD_BY_ID."""

    _fields_ = (("id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


class _MapInfo(ctypes.Structure):
    """struct bpf_map_info as far as it is read."""

    _fields_ = (
        ("type", ctypes.c_uint32), ("id", ctypes.c_uint32), ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32), ("max_entries", ctypes.c_uint32), ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * NAME_LENGTH),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, weakref_slot=True)
class OpenedMap:
    """A map that was found in the kernel; its descriptor is closed by `close`."""

    spec: MapSpec
    fd: Fd
    named: Mapping[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """As it was created with."""
        return self.spec.max_entries

    def close(self) -> None:
        """Close the descriptor; the map stays where it stands."""
        self.fd.close()


def opened(outer: MapSpec, calls: Calls, number: int) -> OpenedMap | None:
    """The map of this id that stands in `outer`; None where there is none any more.

    Maps with a name are opened by their own descriptor, others by id. Raises Unavailable where the host does not let
    maps be opened by id.
    """
    known = calls.named.get(calls.name_of(number))
    if known is not None:
        fd = Fd(os.dup(known))
    else:
        try:
            fd = Fd(bpf(_MAP_GET_FD_BY_ID, _ById(id=number)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(
                f"map {outer.name}: the map of id {number} in it cannot be opened ({error_name(error.errno or 0)}); "
                "opening by id needs CAP_SYS_ADMIN"
            ) from None
    return OpenedMap(_spec_of(outer, fd, calls.name_of(number)), fd)


def _spec_of(outer: MapSpec, fd: Fd, name: str) -> MapSpec:
    """What the kernel says of the map, typed as the outer map declares it where that fits."""
    info = _MapInfo()
    bpf(OBJ_GET_INFO_BY_FD, ObjectInfo(fd=fd.number, info_len=ctypes.sizeof(info), info=ctypes.addressof(info)))
    declared = outer.inner
    fits = declared is not None and (declared.key_size, declared.value_size) == (info.key_size, info.value_size)
    return MapSpec(
        name if not name.isdecimal() else info.name.decode(errors="replace") or name,
        BY_NUMBER[info.type].name, info.key_size, info.value_size, info.max_entries, info.map_flags,
        declared.key_type if declared is not None and fits else 0,
        declared.value_type if declared is not None and fits else 0,
    )  # fmt: skip


def number_of(value: Any, named: Mapping[str, int], where: str, what: str) -> int:
    """The descriptor of a program or map that is given by name, as an object that has one, or as a number."""
    if isinstance(value, str):
        if value not in named:
            raise UsageError(
                f"{where}: there is no {what} {value!r} to put there; there are {', '.join(named) or 'none'}"
            )
        return named[value]
    found = getattr(value, "fd", value)
    found = getattr(found, "number", found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 31:
        raise UsageError(f"{where}: {value!r} is no {what}; give its name, the {what} itself or a descriptor")
    return found


def close_with(owner: object, one: OpenedMap) -> None:
    """Close the map when its owner is gone."""
    weakref.finalize(owner, one.close)
