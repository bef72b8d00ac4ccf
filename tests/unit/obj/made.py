"""Objects made by hand, for what no compiler that can be had here writes (any more)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bpfvm.isa.codec import encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf import ext as btf_ext
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewRelocation, NewSection, NewSymbol, build

OBJECTS = Path(__file__).resolve().parents[2] / "objects"
CODE, DATA = elf.ALLOC | elf.EXEC, elf.ALLOC | elf.WRITE
RETURN = [insn("mov64_k", 0, imm=2), insn("exit")]
LDDW = [insn("lddw", 1), *RETURN]
CALL = [insn("call_local", imm=-1), *RETURN]
MAIN = NewSymbol("main", elf.FUNC, elf.GLOBAL, "xdp", 0, 16)


def section(name: str, code: Sequence[Insn] = RETURN, flags: int = CODE) -> NewSection:
    return NewSection(name, elf.PROGBITS, encode(code), flags, 8)


def data(name: str, content: bytes, flags: int = DATA) -> NewSection:
    return NewSection(name, elf.PROGBITS, content, flags, 8)


def function(name: str, place: str, slot: int = 0, slots: int = 2, binding: int = elf.GLOBAL) -> NewSymbol:
    return NewSymbol(name, elf.FUNC, binding, place, slot * 8, slots * 8)


def label(name: str, place: str, slot: int = 0, binding: int = elf.GLOBAL) -> NewSymbol:
    """A symbol without a type or a size."""
    return NewSymbol(name, elf.NOTYPE, binding, place, slot * 8)


def of_section(name: str) -> NewSymbol:
    return NewSymbol("", elf.SECTION, elf.LOCAL, name)


def undefined(name: str, binding: int = elf.GLOBAL) -> NewSymbol:
    return NewSymbol(name, elf.NOTYPE, binding, "")


def variable(name: str, place: str, offset: int, size: int, binding: int = elf.GLOBAL) -> NewSymbol:
    return NewSymbol(name, elf.OBJECT, binding, place, offset, size)


def built(
    code: Sequence[Insn] = RETURN,
    relocation: tuple[int, int, NewSymbol] | None = None,
    more: Sequence[NewSection] = (),
    symbols: Sequence[NewSymbol] = (),
    relocations: Mapping[str, list[NewRelocation]] | None = None,
) -> bytes:
    """An object of one program with this code; relocation: offset, type, symbol."""
    known = [replace(MAIN, size=len(encode(code))), *symbols]
    changes = dict(relocations or {})
    if relocation is not None:
        changes["xdp"] = [NewRelocation(*relocation)]
    for rows in changes.values():
        known += [one.symbol for one in rows if one.symbol not in known]
    return build([section("xdp", code), *more], list(dict.fromkeys(known)), changes, "little")


def debug(btf: Btf, ext: btf_ext.Ext | None = None) -> list[NewSection]:
    strings = StringTable()
    beside = btf_ext.encode(ext or btf_ext.Ext(), strings, "little")
    types = btf_codec.encode(btf, strings, "little")
    return [NewSection(".BTF", elf.PROGBITS, types), NewSection(".BTF.ext", elf.PROGBITS, beside)]


def header_of(file: bytes, name: str) -> int:
    """Where the header of the section called `name` stands in `file`."""
    found = next(one for one in elf.Elf(file).sections if one.name == name)
    (start,) = struct.unpack_from("<Q", file, 40)
    return int(start) + elf.SECTION_SIZE * found.index


def symbol_at(file: bytes, name: str) -> int:
    """Where the row of symbol `name` stands."""
    (start,) = struct.unpack_from("<Q", file, header_of(file, ".symtab") + 24)
    number = next(number for number, one in enumerate(elf.Elf(file).symbols) if one.name == name)
    return int(start) + elf.SYMBOL_SIZE * number


def patched(file: bytes, *changes: tuple[int, bytes]) -> bytes:
    """`file` with other bytes at some offsets."""
    out = bytearray(file)
    for at, new in changes:
        out[at : at + len(new)] = new
    return bytes(out)
