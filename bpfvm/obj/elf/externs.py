"""What an object asks of the kernel by name: undefined symbols, which the object's BTF puts into .kconfig or .ksyms.

Values of .kconfig stand in one map. Where each of them stands is the loader's choice, and this is libbpf's (1.1, seen
in the skeletons that bpftool makes): wide alignment first, then small size, then name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, DataSec, Enum, Enum64, Func, Int, Var
from bpfvm.obj.elf.container import UNDEFINED, WEAK, Elf
from bpfvm.obj.elf.datasec import KCONFIG, KSYMS
from bpfvm.obj.model import ExternSpec

MAX_KCONFIG = 1 << 20  # bytes of all values


def read_externs(file: Elf, btf: Btf | None) -> dict[str, ExternSpec]:
    """The undefined symbols that the BTF declares, by name. Others are errors where an instruction needs them."""
    if btf is None:
        return {}
    declared = _declared(btf)
    found: dict[str, ExternSpec] = {}
    for symbol in file.symbols:
        if symbol.section == UNDEFINED and symbol.name in declared:
            section, number = declared[symbol.name]
            found[symbol.name] = _extern(btf, section, symbol.name, number, symbol.binding == WEAK)
    return {**found, **laid_out(btf, found)}


def undeclared(name: str, btf: Btf | None) -> str:
    """Why the undefined symbol `name` cannot be bound."""
    if btf is None:
        return f"refers to the extern symbol {name}, and .BTF is missing, which tells what it is; compile with -g"
    if btf.find(Func, name) is not None:
        return (
            f"refers to function {name}, which another object defines, or the kernel in section {KSYMS}; link the "
            "objects with `bpftool gen object`"
        )
    return f"refers to the extern symbol {name}, which .BTF declares neither in {KCONFIG} nor in {KSYMS}"


def _declared(btf: Btf) -> dict[str, tuple[str, int]]:
    """Name -> its section and the id of its Var or Func."""
    found: dict[str, tuple[str, int]] = {}
    for name in (KCONFIG, KSYMS):
        number = btf.find(DataSec, name)
        section = btf[number] if number is not None else None
        for place in section.vars if isinstance(section, DataSec) else ():
            one = btf[place.type]
            if not isinstance(one, Var | Func):
                raise LoadError(f".BTF section {name}: type {place.type} is neither a variable nor a function")
            found[one.name] = (name, place.type)
    return found


def _extern(btf: Btf, section: str, name: str, number: int, weak: bool) -> ExternSpec:
    one = btf[number]
    if isinstance(one, Func):
        if section == KCONFIG:
            raise LoadError(f"extern {name}: a function cannot be in {KCONFIG}")
        return ExternSpec(name, "kfunc", one.type, weak)
    assert isinstance(one, Var)
    if section == KSYMS:
        return ExternSpec(name, "ksym", one.type if btf.strip(one.type) else 0, weak)
    return ExternSpec(name, "kconfig", one.type, weak, size=btf.size_of(one.type))


def laid_out(btf: Btf, externs: Mapping[str, ExternSpec]) -> dict[str, ExternSpec]:
    """The values of .kconfig with their offsets."""
    values = [(_alignment(btf, one), one) for one in externs.values() if one.kind == "kconfig"]
    placed: dict[str, ExternSpec] = {}
    at = 0
    for align, one in sorted(values, key=lambda pair: (-pair[0], pair[1].size, pair[1].name)):
        at += -at % align
        placed[one.name] = replace(one, offset=at)
        at += one.size
        if at > MAX_KCONFIG:
            raise LoadError(f"extern {one.name}: more than {MAX_KCONFIG} bytes of values in {KCONFIG}")
    return placed


def _alignment(btf: Btf, one: ExternSpec) -> int:
    number = btf.strip(one.type)
    while isinstance(kind := btf[number], Array):
        number = btf.strip(kind.type)
    if not isinstance(kind, Int | Enum | Enum64) or kind.size not in (1, 2, 4, 8):
        kinds = "numbers, enums and arrays of char"
        raise LoadError(f"extern {one.name}: {KCONFIG} holds {kinds}, and not {btf.name_of(one.type)}")
    return kind.size
