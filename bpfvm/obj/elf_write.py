"""ObjectSpec into an ELF object that llvm-objdump, bpftool, libbpf and elf_read take.

Reading the file back gives `complete.completed(spec)`: the spec, its BTF grown by the declarations that loaders want.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import slots
from bpfvm.isa.ops import BY_NAME
from bpfvm.obj import btf_codec, btf_ext, elf, mapdefs, note
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_types import DataSec, Func, Var
from bpfvm.obj.complete import completed
from bpfvm.obj.cursor import StringTable, one_line
from bpfvm.obj.link import Body, unlink
from bpfvm.obj.model import ObjectSpec, ProgramSpec

TEXT, LICENSE = ".text", "license"
_LDDW = BY_NAME["lddw"]  # in a file, a reference to a map is a plain one with a relocation
_CODE, _DATA = elf.ALLOC | elf.EXEC, elf.ALLOC | elf.WRITE


def write_object(spec: ObjectSpec) -> bytes:
    """The ELF file of `spec`. LoadError, one line, for what an ELF object for BPF cannot say."""
    try:
        return _write(completed(spec))
    except LoadError as error:
        raise LoadError(one_line(str(error))) from None


def _write(whole: ObjectSpec) -> bytes:
    assert whole.btf is not None
    maps = _map_symbols(whole.btf) if whole.maps else {}
    code = _Code(whole, maps)
    symbols = [*code.symbols(), *maps.values()]
    sections = code.sections()
    if whole.maps:
        size = sum(one.size for one in maps.values())
        sections.append(elf.NewSection(mapdefs.SECTION, elf.PROGBITS, bytes(size), _DATA, 8))
    if whole.license:
        text = _license_text(whole.license)
        sections.append(elf.NewSection(LICENSE, elf.PROGBITS, text, _DATA))
        symbols.append(elf.NewSymbol(_license_name(whole.btf), elf.OBJECT, elf.GLOBAL, LICENSE, 0, len(text)))
    sections += _debug(whole, code.debug(whole.btf))
    _check_names(symbols)
    return elf.build(sections, symbols, code.relocations, whole.endian)


def _map_symbols(btf: Btf) -> dict[str, elf.NewSymbol]:
    return {
        name: elf.NewSymbol(name, elf.OBJECT, elf.GLOBAL, mapdefs.SECTION, offset, size)
        for name, (offset, size) in mapdefs.layout(btf).items()
    }


def _license_text(text: str) -> bytes:
    if "\0" in text:
        raise LoadError(f"the license {text!r} holds a NUL and cannot be written")
    return text.encode() + b"\0"


def _license_name(btf: Btf) -> str:
    """What the BTF calls the license's variable: libbpf looks for a symbol of this name."""
    number = btf.find(DataSec, LICENSE)
    section = btf[number] if number is not None else None
    if isinstance(section, DataSec) and section.vars:
        var = btf[section.vars[0].type]
        if isinstance(var, Var):
            return var.name
    return "_license"


def _debug(spec: ObjectSpec, ext: btf_ext.Ext) -> list[elf.NewSection]:
    assert spec.btf is not None
    strings = StringTable()
    beside = btf_ext.encode(ext, strings, spec.endian)
    types = btf_codec.encode(spec.btf, strings, spec.endian)
    sections = [elf.NewSection(".BTF", elf.PROGBITS, types, align=4)]
    sections.append(elf.NewSection(".BTF.ext", elf.PROGBITS, beside, align=4))
    if said := note.encode(spec, spec.endian):
        sections.append(elf.NewSection(note.SECTION, elf.NOTE, said, align=4))
    return sections


def _check_names(symbols: list[elf.NewSymbol]) -> None:
    seen: set[str] = set()
    for one in symbols:
        if one.name and one.name in seen:
            raise LoadError(
                f"two things in this object are called {one.name}: maps, functions and the license share names"
            )
        seen.add(one.name)


class _Code:
    """The functions of an object, laid out in sections: programs in their own, the functions they call in .text."""

    def __init__(self, spec: ObjectSpec, maps: Mapping[str, elf.NewSymbol]) -> None:
        self._spec, self._maps = spec, maps
        self._sections: dict[str, list[Body]] = {}
        self._starts: dict[str, int] = {}
        self._symbols: dict[str, elf.NewSymbol] = {}
        for body in unlink(spec.programs).values():
            self._place(body, spec.programs.get(body.name))
        self._text = elf.NewSymbol("", elf.SECTION, elf.LOCAL, TEXT)
        self.relocations = {name: rows for name in self._sections if (rows := self._relocations(name))}

    def _place(self, body: Body, program: ProgramSpec | None) -> None:
        section = program.section if program is not None else TEXT
        placed = self._sections.setdefault(section, [])
        at = self._starts[placed[-1].name] + slots(placed[-1].insns)[-1] if placed else 0
        placed.append(body)
        self._starts[body.name] = at
        binding = elf.LOCAL if body.is_static else elf.GLOBAL
        size = slots(body.insns)[-1] * SLOT
        self._symbols[body.name] = elf.NewSymbol(body.name, elf.FUNC, binding, section, at * SLOT, size)

    def symbols(self) -> list[elf.NewSymbol]:
        """Of all functions, and of section .text where static functions are called through it."""
        return [*([self._text] if TEXT in self._sections else []), *self._symbols.values()]

    def sections(self) -> list[elf.NewSection]:
        return [elf.NewSection(name, elf.PROGBITS, self._bytes(name), _CODE, SLOT) for name in self._sections]

    def _bytes(self, section: str) -> bytes:
        out = bytearray()
        for body in self._sections[section]:
            insns = list(body.insns)
            for number, slot in enumerate(slots(insns)[:-1]):
                if slot in body.calls:
                    insns[number] = replace(insns[number], imm=self._call_imm(body, slot))
                elif insns[number].op.name == "lddw_map":
                    insns[number] = replace(insns[number], op=_LDDW, src=0)
            out += encode(insns, self._spec.endian)
        return bytes(out)

    def _call_imm(self, body: Body, slot: int) -> int:
        """As clang does: within .text the distance to a static function, else what stands beside the relocation."""
        start = self._starts[body.calls[slot]]
        if self._is_near(body, slot):
            return start - (self._starts[body.name] + slot + 1)
        return (start if self._is_static(body.calls[slot]) else 0) - 1  # slots from the relocation's symbol, less one

    def _is_static(self, name: str) -> bool:
        return self._symbols[name].binding == elf.LOCAL

    def _is_near(self, body: Body, slot: int) -> bool:
        """Whether the call at `slot` needs no relocation."""
        return self._is_static(body.calls[slot]) and self._symbols[body.name].section == TEXT

    def _relocations(self, section: str) -> list[elf.NewRelocation]:
        found = []
        for body in self._sections[section]:
            base = self._starts[body.name]
            for one, slot in zip(body.insns, slots(body.insns), strict=False):
                place = (base + slot) * SLOT
                if one.op.name == "lddw_map":
                    found.append(elf.NewRelocation(place, elf.R_64_64, self._maps[one.symbol or ""]))
                elif slot in body.calls and not self._is_near(body, slot):
                    callee = body.calls[slot]
                    symbol = self._text if self._is_static(callee) else self._symbols[callee]
                    found.append(elf.NewRelocation(place, elf.R_64_32, symbol))
        return found

    def debug(self, btf: Btf) -> btf_ext.Ext:
        """Where each function and each source line begins."""
        functions: dict[str, list[btf_ext.FuncInfo]] = {}
        lines: dict[str, list[btf_ext.LineInfo]] = {}
        for section, bodies in self._sections.items():
            for body in bodies:
                base, kind = self._starts[body.name], btf.find(Func, body.name)
                assert kind is not None, "completed specs declare all functions"
                functions.setdefault(section, []).append(btf_ext.FuncInfo(base * SLOT, kind))
                for slot, place in body.lines.items():
                    text = self._spec.sources.get((place.file, place.line), "")
                    one = btf_ext.LineInfo((base + slot) * SLOT, place.file, text, place.line, place.col)
                    lines.setdefault(section, []).append(one)
        return btf_ext.Ext(functions, lines)
