"""Sections without code to be written: data, maps, license and version, and the symbols that code and maps name."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn
from bpfvm.obj.btf.types import Var
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf import datasec, mapdefs
from bpfvm.obj.elf.build import NewRelocation, NewSection, NewSymbol
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec
from bpfvm.obj.writer import legacydecl, mapdecl
from bpfvm.obj.writer.code import Named
from bpfvm.obj.writer.externdecl import extern_at

LICENSE, VERSION = "license", "version"
_WRITABLE = elf.ALLOC | elf.WRITE
_FLAGS = {datasec.RODATA: elf.ALLOC, datasec.DATA: _WRITABLE, datasec.BSS: _WRITABLE}


class DataSections:
    """What an object holds beside its code. spec: completed."""

    def __init__(self, spec: ObjectSpec) -> None:
        self._spec, self._order = spec, "<" if spec.endian == "little" else ">"
        self.sections: list[NewSection] = []
        self.symbols: list[NewSymbol] = []
        self._maps: dict[str, NewSymbol] = {}
        self._bases: dict[str, NewSymbol] = {}  # of data sections
        self._variables: dict[str, list[NewSymbol]] = {}  # those that other objects see
        self._externs = {name: _extern_symbol(one) for name, one in spec.externs.items()}
        for one in spec.maps.values():
            if datasec.kind_of(one.section) and one.initial is not None:
                self._add_data(one, one.initial)
        self._places = mapdecl.layout(spec.btf) if spec.btf is not None and mapdecl.declared(spec.maps) else {}
        self._add_maps()
        self._add_legacy_maps()
        if spec.license:
            self._add_value(LICENSE, _license_text(spec.license), 1)
        if spec.version:
            self._add_value(VERSION, struct.pack(self._order + "I", spec.version), 4)
        self.symbols += self._externs.values()

    def _add_data(self, one: MapSpec, data: bytes) -> None:
        kind = datasec.kind_of(one.section)
        form = elf.NOBITS if kind == datasec.BSS else elf.PROGBITS
        self.sections.append(NewSection(one.section, form, data, _FLAGS[kind], 8))
        self._bases[one.name] = NewSymbol("", elf.SECTION, elf.LOCAL, one.section)
        variables = [
            NewSymbol(
                var.name, elf.OBJECT, elf.LOCAL if var.is_static else elf.GLOBAL, one.section, var.offset, var.size
            )
            for var in datasec.placed(self._spec.btf, one.section, len(data))
        ]
        self._variables[one.name] = [var for var in variables if var.binding == elf.GLOBAL]
        self.symbols += [self._bases[one.name], *variables]

    def _add_maps(self) -> None:
        size = max((one.offset + one.size for one in self._places.values()), default=0)
        if not self._places:
            return
        self.sections.append(NewSection(mapdefs.SECTION, elf.PROGBITS, bytes(size), _WRITABLE, 8))
        for name, one in self._places.items():
            binding = elf.LOCAL if one.is_static else elf.GLOBAL
            self._maps[name] = NewSymbol(name, elf.OBJECT, binding, mapdefs.SECTION, one.offset, one.size)
        self.symbols += self._maps.values()

    def _add_legacy_maps(self) -> None:
        for one in legacydecl.definitions(self._spec):
            self.sections.append(NewSection(one.section, elf.PROGBITS, one.data, _WRITABLE, 4))
            for name, (offset, size) in one.places.items():
                self._maps[name] = NewSymbol(name, elf.OBJECT, elf.GLOBAL, one.section, offset, size)
                self.symbols.append(self._maps[name])

    def _add_value(self, section: str, data: bytes, align: int) -> None:
        """A section of one variable, called as BTF calls it: libbpf looks for a symbol of this name."""
        self.sections.append(NewSection(section, elf.PROGBITS, data, _WRITABLE, align))
        name = f"_{section}"
        found = datasec.section_of(self._spec.btf, section) if self._spec.btf is not None else None
        if found is not None and found.vars and self._spec.btf is not None:
            var = self._spec.btf[found.vars[0].type]
            name = var.name if isinstance(var, Var) else name
        self.symbols.append(NewSymbol(name, elf.OBJECT, elf.GLOBAL, section, 0, len(data)))

    def relocations(self, programs: Mapping[str, NewSymbol]) -> dict[str, list[NewRelocation]]:
        """Of section .maps: what stands in the maps at load. programs: name -> symbol."""
        rows: list[NewRelocation] = []
        for name, place in self._places.items():
            one = self._spec.maps[name]
            known = programs if one.type == mapdefs.OF_PROGRAMS else self._maps
            for index, content in sorted(one.contents):
                if content not in known:
                    raise LoadError(f"map {name}: {content!r} stands at {index}, and the object does not have it")
                offset = place.offset + place.values + 8 * index
                rows.append(NewRelocation(offset, elf.R_64_ABS64, known[content]))
        return {mapdefs.SECTION: rows} if rows else {}

    def resolve(self, one: Insn) -> Named | None:
        """What the relocation of an instruction names; None for those that name nothing, or a function."""
        if one.symbol is None or one.op.name in ("call_local", "lddw_func"):
            return None
        if one.op.name == "lddw_map":
            return Named(self._maps[one.symbol])
        if one.op.name == "lddw_map_value":
            return self._value(one.symbol, one.imm >> 32)
        return Named(self._externs[one.symbol]) if one.symbol in self._externs else None

    def _value(self, name: str, offset: int) -> Named:
        """Byte `offset` of a data section: from the variable that stands there, or else from the section's start."""
        if self._spec.maps[name].section == datasec.KCONFIG:
            one = extern_at(self._spec.externs, offset)
            assert one is not None, "completed specs refer to what is there"
            return Named(self._externs[one.name], offset - one.offset)
        for var in self._variables[name]:
            if var.value <= offset < var.value + var.size:
                return Named(var, offset - var.value)
        return Named(self._bases[name], offset)


def _extern_symbol(one: ExternSpec) -> NewSymbol:
    return NewSymbol(one.name, elf.NOTYPE, elf.WEAK if one.weak else elf.GLOBAL, "")


def _license_text(text: str) -> bytes:
    if "\0" in text:
        raise LoadError(f"the license {text!r} holds a NUL and cannot be written")
    return text.encode() + b"\0"
