"""A program as text or as rows: every instruction with what its object tells of it.

xdp_count:                                  functions and what is jumped to have labels
; __u64 *hit = … @ xdp_count.c:21           source text, from the object or from the Python file
7: r1 = map[hits]                           maps, kernel functions and variables by name
9: r1 = map[.rodata]+8  ; limit             the variable there, by BTF
11: r2 = *(u32 *)(r1 +2464)  ; CO-RE field_byte_offset struct task_struct.pid
"""

from __future__ import annotations

import linecache
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.codec import encode
from bpfvm.isa.disasm import listing as instructions
from bpfvm.isa.disasm import target_slot, targets, text
from bpfvm.isa.insn import Insn, slots
from bpfvm.obj.btf.types import DataSec, Var
from bpfvm.obj.core import access as core_access
from bpfvm.obj.elf.datasec import KCONFIG
from bpfvm.obj.model import CoreReloc, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import call_name


@dataclass(frozen=True, slots=True)
class Core:
    """A CO-RE relocation, and in words what it asks about: "struct task_struct.pid"."""

    relocation: CoreReloc
    words: str

    def __str__(self) -> str:
        return f"CO-RE {self.relocation.kind} {self.words}"


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction.

    code: its bytes in the object's byte order, references not filled in. target: the slot that it jumps to, calls or
    names. source: the place it came from, and `line` the text there ("" where it is not known). variable: what stands
    in a data section at the address that it loads. core: what it asks of the kernel's types.
    """

    slot: int
    insn: Insn
    code: bytes
    text: str
    target: int | None
    source: Location | None
    line: str
    variable: str | None
    core: tuple[Core, ...]

    @property
    def note(self) -> str | None:
        """What its text does not tell, or None."""
        parts = [self.variable] if self.variable else []
        if self.insn.op.name == "lddw" and self.insn.symbol is not None:
            parts.append(f"address of {self.insn.symbol}")
        parts += map(str, self.core)
        return "; ".join(parts) or None


def listing(program: ProgramSpec, spec: ObjectSpec | None = None, *, raw: bool = False) -> str:
    """`program` in the kernel's syntax, one instruction a line behind its slot number.

    spec: the object it is of, which knows source lines, variables and types. raw: show the bytes too.
    """
    found = {row.slot: row for row in rows(program, spec)}
    above = _changes(found.values())
    shown = instructions(
        program.insns, helper=call_name, labels=labels(program), source=above.get, note=lambda slot: found[slot].note,
        raw=(spec.endian if spec is not None else "little") if raw else None,
    )  # fmt: skip
    return "\n".join(map(printable, shown.split("\n")))


def _changes(found: Iterable[Row]) -> dict[int, str]:
    """Source text and place, for the first instruction of each run that comes from one line."""
    texts: dict[int, str] = {}
    last = None
    for row in found:
        if row.source is not None and str(row.source) != last:
            texts[row.slot] = f"{row.line} @ {row.source}".strip()
        last = str(row.source)
    return texts


def rows(program: ProgramSpec, spec: ObjectSpec | None = None) -> list[Row]:
    """The instructions of `program`, with what `spec`, the object it is of, tells of each."""
    names, variables = labels(program), _Variables(spec)
    core: dict[int, list[Core]] = {}
    for asked in program.core:
        core.setdefault(asked.slot, []).append(Core(asked, _words(spec, asked)))
    lines = sorted(program.lines.items())
    begins = [slot for slot, _ in lines]
    out = []
    for slot, one in zip(slots(program.insns), program.insns, strict=False):
        target, at = target_slot(one, slot), bisect_right(begins, slot) - 1
        place = lines[at][1] if at >= 0 else None
        out.append(
            Row(
                slot, one, encode([one], spec.endian if spec is not None else "little"),
                text(one, helper=call_name, target=names.get(target) if target is not None else None),
                target, place, _line(spec, place), variables.name(one), tuple(core.get(slot, ())),
            )
        )  # fmt: skip
    return out


def labels(program: ProgramSpec) -> dict[int, str]:
    """Slot -> label, of functions and of what is jumped to; no two alike. The entry has one where it is named."""
    goals = targets(program.insns)
    functions = {0: program.name} | {one.slot: one.name for one in program.functions}
    found: dict[int, str] = {}
    taken: set[str] = set()
    for slot, name in (*functions.items(), *((slot, name) for slot, name in goals.items() if slot not in functions)):
        found[slot] = name if name not in taken else f"{name}.{slot}"
        taken.add(found[slot])
    return {slot: name for slot, name in found.items() if slot or slot in goals}


def printable(line: str) -> str:
    """A line of text without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def _line(spec: ObjectSpec | None, place: Location | None) -> str:
    """The source text at a place. Only Python files are looked up: a name in an object may be that of any device."""
    if place is None:
        return ""
    known = spec.sources.get((place.file, place.line)) if spec is not None else None
    if known is None and place.file.endswith(".py") and Path(place.file).is_file():
        known = linecache.getline(place.file, place.line)
    return " ".join((known or "").split())


def _words(spec: ObjectSpec | None, one: CoreReloc) -> str:
    """What a relocation asks about as C writes it; as it stands where the types do not tell."""
    if spec is not None and spec.btf is not None:
        try:
            return core_access.words(spec.btf, core_access.parse(spec.btf, one.kind, one.type, one.access))
        except LoadError:
            return f"type {one.type} {one.access}"
    return f"type {one.type} {one.access}"


class _Variables:
    """What stands at the map values that instructions address. Sections are put in order once."""

    def __init__(self, spec: ObjectSpec | None) -> None:
        self._spec = spec
        self._sections: dict[str, list[tuple[int, int, str]]] = {}

    def name(self, one: Insn) -> str | None:
        """The variable that `one` loads the address of, "table+8" for a place in it, None where no types tell."""
        if self._spec is None or one.op.name != "lddw_map_value" or one.symbol is None:
            return None
        if one.symbol not in self._sections:
            self._sections[one.symbol] = sorted(_variables(self._spec, one.symbol))
        offset, found = one.imm >> 32, self._sections[one.symbol]
        at = bisect_right(found, offset, key=lambda place: place[0]) - 1
        if at < 0:
            return None
        start, size, name = found[at]
        if offset == start:
            return name
        return f"{name}+{offset - start}" if offset < start + size else None


def _variables(spec: ObjectSpec, section: str) -> Iterator[tuple[int, int, str]]:
    """Offset, size and name of the variables in the data section that map `section` stands for."""
    if section == KCONFIG:
        yield from ((one.offset, one.size, one.name) for one in spec.externs.values() if one.kind == "kconfig")
    elif spec.btf is not None and section in spec.maps and spec.maps[section].value_type:
        kind = spec.btf[spec.maps[section].value_type]
        for place in kind.vars if isinstance(kind, DataSec) else ():
            variable = spec.btf[place.type]
            if isinstance(variable, Var):
                yield place.offset, place.size, variable.name
