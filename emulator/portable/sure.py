"""Accesses of which the analysis knows before a program runs that each is inside of its object, and allowed there."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.contexts.access import Access
from bpfvm.emulator.interp import STACK
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.store import RDONLY_PROG, WRONLY_PROG
from bpfvm.emulator.portable.kinds import Kind
from bpfvm.tables.maps import BY_NAME as MAPS


def is_sure(maps: Mapping[str, MapStore], rules: Access | None, base: Kind, off: int, size: int, write: bool) -> bool:
    """Whether `size` bytes at `off` from what a register holds are. rules: of the context's fields."""
    if base.off is None:
        return False
    at = base.off + off
    if base.tag == "stack":
        return at >= -STACK and at + size <= 0
    if base.tag == "ctx":
        return rules is not None and not write and (at, size) in rules.reads and (at, size) not in rules.odd
    if base.tag == "record":
        return at >= 0 and at + size <= base.size
    if base.tag != "value" or not plain_values(maps, base.name, write):
        return False
    return at >= 0 and at + size <= maps[base.name].spec.value_size


def plain_values(maps: Mapping[str, MapStore], name: str, write: bool) -> bool:
    """Whether programs may access the values of a map, which are nothing but bytes."""
    if name not in maps:
        return False
    spec = maps[name].spec  # what a lookup finds in a map of maps is another map
    return not MAPS[spec.type].inner and not spec.flags & (RDONLY_PROG if write else WRONLY_PROG)
