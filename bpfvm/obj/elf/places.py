"""Where variables stand, written into an object's BTF: compilers leave that to the section headers and symbols.

Loaders fill it in before the BTF goes to the kernel, which refuses a DATASEC of size 0 (kernel/bpf/btf.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import DataSec, SecVar
from bpfvm.obj.elf.container import FUNC, SECTION, Elf
from bpfvm.obj.elf.datasec import KCONFIG, name_of, section_of
from bpfvm.obj.model import ExternSpec


def place_variables(file: Elf, btf: Btf) -> None:
    """Give each DATASEC of `btf` that has none the size of its section, and its variables the places of their symbols.

    A variable without a symbol of its name keeps the offset that BTF gives it, which is right for static ones of clang.
    """
    symbols: dict[int, dict[str, int]] = {}
    for symbol in file.symbols:
        if symbol.section > 0 and symbol.type not in (SECTION, FUNC) and symbol.name:
            symbols.setdefault(symbol.section, {}).setdefault(symbol.name, symbol.value)
    sections = {one.name: one for one in reversed(file.sections)}
    for number, one in enumerate(btf, 1):
        section = sections.get(one.name) if isinstance(one, DataSec) else None
        if not isinstance(one, DataSec) or section is None or one.size:
            continue
        known = symbols.get(section.index, {})
        places = ((var, known.get(name_of(btf, var), var.offset)) for var in one.vars)
        placed = [replace(var, offset=at) if at < section.size else var for var, at in places]
        if section.size <= 0xFFFF_FFFF:
            btf.define(number, replace(one, size=section.size, vars=_ordered(placed)))


def place_kconfig(btf: Btf, externs: Mapping[str, ExternSpec]) -> None:
    """The same for the values of .kconfig, which is in no file."""
    number = btf.find(DataSec, KCONFIG)
    section = section_of(btf, KCONFIG)
    values = {name: one for name, one in externs.items() if one.kind == "kconfig"}
    if number is None or section is None or not values:
        return
    placed = [
        replace(var, offset=values[name].offset, size=values[name].size) if name in values else var
        for var in section.vars
        for name in (name_of(btf, var),)
    ]
    size = max(one.offset + one.size for one in values.values())
    btf.define(number, replace(section, size=size, vars=_ordered(placed)))


def _ordered(places: Iterable[SecVar]) -> tuple[SecVar, ...]:
    return tuple(sorted(places, key=lambda one: one.offset))
