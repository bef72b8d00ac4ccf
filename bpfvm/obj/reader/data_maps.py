"""Global variables: each section of data is the one value of an array map that is named after the section."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.elf.container import NOBITS, PROGBITS, Elf, Section
from bpfvm.obj.elf.datasec import KCONFIG, data_map, kind_of
from bpfvm.obj.model import ExternSpec, MapSpec

MAX_DATA = 1 << 27  # bytes of all sections of one object


def is_data(section: Section) -> bool:
    """Whether `section` holds variables of programs."""
    return section.type in (PROGBITS, NOBITS) and section.size > 0 and kind_of(section.name) != ""


def read_data(file: Elf, btf: Btf | None, skipped: list[str]) -> dict[int, MapSpec]:
    """The maps of data sections by section index. skipped: gets the pointers in them, which no loader fills in."""
    found: dict[int, MapSpec] = {}
    names: set[str] = set()
    total = 0
    for section in filter(is_data, file.sections):
        total += section.size
        if total > MAX_DATA:
            raise LoadError(f"section {section.name}: more than {MAX_DATA >> 20} MiB of data in one object")
        if section.name in names:
            raise LoadError(f"two data sections are called {section.name}; link them with `bpftool gen object`")
        names.add(section.name)
        initial = bytes(section.size) if section.type == NOBITS else bytes(section.data.data)
        found[section.index] = data_map(section.name, initial, btf)
        skipped += _pointers(file, section)
    return found


def kconfig_map(externs: Mapping[str, ExternSpec], btf: Btf | None) -> MapSpec | None:
    """The map of the kernel's configuration values, all zeros, or None where none is asked for."""
    ends = [one.offset + one.size for one in externs.values() if one.kind == "kconfig"]
    return data_map(KCONFIG, bytes(max(ends)), btf) if ends else None


def _pointers(file: Elf, section: Section) -> list[str]:
    """libbpf passes over relocations of data too: addresses are not known before a map is in the kernel."""
    entries = file.relocations(section)
    if not entries:
        return []
    first = entries[0]
    target = first.symbol.name or file.place_name(first.symbol)
    more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
    return [
        f"section {section.name}: the pointer at offset {first.offset:#x} (to {target}){more}: no loader fills in "
        "addresses in data; they read as offsets"
    ]
