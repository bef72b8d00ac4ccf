"""Data sections of an object: .rodata, .data and .bss, plain or with a suffix, each of which a loader makes a map of.

A DATASEC in BTF names the variables of a section. Its size and offsets are those of the section and its symbols: what
compilers leave 0 there (SecVar) is filled in when a file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import EXTERN, STATIC, DataSec, SecVar, Var
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS

RODATA, DATA, BSS, KCONFIG, KSYMS = ".rodata", ".data", ".bss", ".kconfig", ".ksyms"
KINDS = (RODATA, DATA, BSS)


def kind_of(section: str) -> str:
    """The plain name of a data section (".rodata" of ".rodata.str1.1"), or "" for all others."""
    return next((kind for kind in KINDS if section == kind or section.startswith(kind + ".")), "")


@dataclass(frozen=True, slots=True)
class Placed:
    """A variable at byte `offset` of its section."""

    name: str
    offset: int
    size: int
    is_static: bool


def section_of(btf: Btf, name: str) -> DataSec | None:
    """The DATASEC of this name, or None."""
    number = btf.find(DataSec, name)
    found = btf[number] if number is not None else None
    return found if isinstance(found, DataSec) else None


def name_of(btf: Btf, place: SecVar) -> str:
    """What the variable or function at `place` is called; "" where BTF names none."""
    return str(getattr(btf[place.type], "name", ""))


def placed(btf: Btf | None, section: str, size: int) -> list[Placed]:
    """The variables that BTF places in a section of `size` bytes, in its order. LoadError where they are not in it."""
    found = section_of(btf, section) if btf is not None else None
    if found is None or btf is None:
        return []
    if size and not found.size:
        raise LoadError(f"section {section}: BTF does not say where its variables stand: its DATASEC has size 0")
    places: list[Placed] = []
    for one in found.vars:
        var = btf[one.type]
        if not isinstance(var, Var) or var.linkage == EXTERN:
            continue
        if one.offset + one.size > size:
            raise LoadError(
                f"section {section} has {octets(size)}, and BTF puts {octets(one.size)} of {var.name} at {one.offset}"
            )
        places.append(Placed(var.name, one.offset, one.size, var.linkage == STATIC))
    return places


def place_values(btf: Btf, sizes: Mapping[str, int]) -> None:
    """Give the DATASECs that have none their size, where each holds one variable at its start."""
    for name, size in sizes.items():
        number, found = btf.find(DataSec, name), section_of(btf, name)
        if number is not None and found is not None and not found.size:
            btf.define(number, replace(found, size=size))


def data_map(name: str, initial: bytes, btf: Btf | None) -> MapSpec:
    """The map that stands for section `name`. Flags are libbpf's (1.1, seen in what it gives to the kernel)."""
    is_constant = name == KCONFIG or kind_of(name) == RODATA
    return MapSpec(
        name=name,
        type="array",
        key_size=4,
        value_size=len(initial),
        max_entries=1,
        flags=FLAGS["mmapable"] | (FLAGS["rdonly_prog"] if is_constant else 0),
        value_type=(btf.find(DataSec, name) or 0) if btf is not None else 0,
        initial=initial,
        section=name,
    )


def checked(one: MapSpec, btf: Btf | None) -> MapSpec:
    """`one`, its value's type filled in. LoadError where a file with its section would not read back as this map."""
    if not kind_of(one.section) and one.section != KCONFIG:
        raise LoadError(f"map {one.name}: section {one.section} is none that holds a map")
    if not one.initial:
        raise LoadError(f"map {one.name}: it stands for section {one.section}, and has no initial contents")
    if kind_of(one.section) != RODATA and kind_of(one.section) != DATA and any(one.initial):
        raise LoadError(f"map {one.name}: section {one.section} holds zeros only, and its contents are others")
    wanted = data_map(one.section, one.initial, btf)
    for what in fields(MapSpec):
        is_, must_be = getattr(one, what.name), getattr(wanted, what.name)
        is_open = what.name == "hidden" or (what.name == "value_type" and not is_)
        if is_ != must_be and not is_open:
            raise LoadError(
                f"map {one.name}: {what.name} is {is_!r}, and of a map that stands for section {one.section} it is "
                f"{must_be!r}"
            )
    return replace(one, value_type=wanted.value_type)
