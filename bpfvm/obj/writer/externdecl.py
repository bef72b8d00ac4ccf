"""Externs declared in BTF as loaders want them: variables and functions in the DATASECs .kconfig and .ksyms.

No such section is in the file: what the DATASEC lists has undefined symbols, weak where the extern is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import EXTERN, Const, DataSec, Func, FuncProto, SecVar, Var
from bpfvm.obj.elf.datasec import KCONFIG, KSYMS, name_of, section_of
from bpfvm.obj.elf.places import place_kconfig
from bpfvm.obj.model import ExternSpec

SECTIONS: Mapping[str, str] = {"kconfig": KCONFIG, "ksym": KSYMS, "kfunc": KSYMS}  # kind of an extern -> DATASEC


def declare_externs(btf: Btf, externs: Mapping[str, ExternSpec]) -> None:
    """Make `btf` declare exactly `externs`. Declarations that say the same already stay as they are."""
    for one in externs.values():
        if one.kind not in SECTIONS:
            raise LoadError(f"extern {one.name}: kind {one.kind!r} is none of {', '.join(SECTIONS)}")
    for section in (KCONFIG, KSYMS):
        _declare(btf, section, [one for one in externs.values() if SECTIONS[one.kind] == section])
    place_kconfig(btf, externs)


def _declare(btf: Btf, section: str, externs: Sequence[ExternSpec]) -> None:
    old = section_of(btf, section)
    number = btf.find(DataSec, section)
    known = {name_of(btf, place): place for place in old.vars} if old is not None else {}
    places = [_place(btf, one, known.get(one.name)) for one in externs]
    if old is None or number is None:
        if places:
            btf.add(DataSec(section, 0, tuple(places)))
    elif not places:
        btf.define(number, Const(0))  # ids stay, and a DATASEC without variables is refused by the kernel
    elif {one.type for one in places} != {one.type for one in old.vars}:
        btf.define(number, DataSec(section, old.size, tuple(places)))


def _place(btf: Btf, one: ExternSpec, known: SecVar | None) -> SecVar:
    if known is not None and _says(btf, known, one):
        return known
    if one.kind == "kfunc":
        if not isinstance(btf[one.type], FuncProto):
            raise LoadError(f"extern {one.name}: its type is {btf.name_of(one.type)}, not a function's prototype")
        return SecVar(btf.add(Func(one.name, one.type, EXTERN)), 0, 0)
    if one.kind == "kconfig" and btf.size_of(one.type) != one.size:
        size = btf.size_of(one.type)
        raise LoadError(f"extern {one.name}: size is {one.size}, and {btf.name_of(one.type)} has {octets(size)}")
    kind = one.type or btf.add_const(0)
    return SecVar(btf.add(Var(one.name, kind, EXTERN)), 0, btf.size_of(kind) if one.type else 0)


def _says(btf: Btf, known: SecVar, one: ExternSpec) -> bool:
    declared = btf[known.type]
    if isinstance(declared, Func):
        return one.kind == "kfunc" and declared.type == one.type
    if not isinstance(declared, Var) or one.kind == "kfunc":
        return False
    return declared.type == one.type or (not one.type and not btf.strip(declared.type))


def extern_at(externs: Mapping[str, ExternSpec], offset: int) -> ExternSpec | None:
    """The kconfig value that holds byte `offset` of map .kconfig, or None."""
    values = (one for one in externs.values() if one.kind == "kconfig")
    return next((one for one in values if one.offset <= offset < one.offset + one.size), None)
