"""What llvm-objdump and llvm-readelf say of an object's functions, freed of where things stand in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Run = Callable[..., str]  # a command and its arguments -> what it prints
SLOT = 8
CALL, PSEUDO_CALL = 0x85, (0x10, 0x01)  # opcode, and the registers' byte of calls within the program


@dataclass(frozen=True)
class Line:
    """An instruction with the source lines in front of it."""

    source: tuple[str, ...]
    code: bytes
    text: str


@dataclass(frozen=True)
class Symbol:
    """As llvm-readelf -s prints it. section: its name, "" where undefined."""

    name: str
    type: str
    binding: str
    section: str
    value: int
    size: int


@dataclass
class Facts:
    """By (section, offset), where something stands there."""

    endian: Literal["little", "big"] = "little"
    symbols: list[Symbol] = field(default_factory=list)
    relocations: dict[tuple[str, int], tuple[str, Symbol]] = field(default_factory=dict)
    lines: dict[tuple[str, int], Line] = field(default_factory=dict)

    def place(self, section: str, offset: int) -> str:
        """What stands at this place: a function or a map by name, else the section, and how far from its start."""
        for one in self.symbols:
            inside = one.section == section and one.value <= offset < one.value + one.size
            if inside and (one.type == "FUNC" or "maps" in section):
                return f"{one.name}+{offset - one.value}"
        return f"{section}+{offset}"


def facts_of(path: Path, run: Run) -> Facts:
    facts = Facts()
    text = run("llvm-readelf-19", "-S", "-s", "-r", "-n", "--wide", path)
    names = dict(re.findall(r"^ *\[ *(\d+)\] (\S+)", text, re.MULTILINE))
    numbered: dict[int, Symbol] = {}
    row = r"^ +(\d+): ([0-9a-f]+) +(\d+) (\w+) +(\w+) +\w+ +(\w+)(?: (\S+))?"
    for number, value, size, kind, binding, section, name in re.findall(row, text, re.MULTILINE):
        numbered[int(number)] = Symbol(name, kind, binding, names.get(section, ""), int(value, 16), int(size))
    facts.symbols = list(numbered.values())
    for part in text.split("Relocation section '.rel")[1:]:
        section, _, rows = part.partition("'")
        for offset, info, kind in re.findall(r"^([0-9a-f]{16}) +([0-9a-f]{16}) +(R_BPF\w+)", rows, re.MULTILINE):
            facts.relocations[section, int(offset, 16)] = (kind, numbered[int(info, 16) >> 32])
    facts.endian = "little" if path.read_bytes()[5] == 1 else "big"
    source: list[str] = []
    for part in run("llvm-objdump-19", "-d", "-S", path).split("Disassembly of section ")[1:]:
        section, _, rows = part.partition(":\n")
        for line in rows.splitlines():
            if found := re.match(r" +(\d+):\t([0-9a-f ]+)\t(.*)", line):
                text = re.sub(r" <.*>$", "", found[3].strip())
                facts.lines[section, int(found[1]) * SLOT] = Line(tuple(source), bytes.fromhex(found[2]), text)
                source = []
            elif line.startswith("; "):
                source.append(line[2:].strip())
    return facts


def functions(facts: Facts) -> Counter[tuple[str, tuple[str, ...]]]:
    """Each function with its source lines and instructions, what they name by name instead of by number."""
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for one in facts.symbols:
        if one.type == "FUNC" and one.section:
            places = [(one.section, at) for at in range(one.value, one.value + one.size, SLOT)]
            rows = [(*facts.lines[place].source, _text(facts, place)) for place in places if place in facts.lines]
            found[one.name, tuple(text for row in rows for text in row)] += 1
    return found


def _text(facts: Facts, place: tuple[str, int]) -> str:
    """The instruction at `place`, as llvm-objdump prints it where it names nothing."""
    line = facts.lines[place]
    imm = int.from_bytes(line.code[4:8], facts.endian, signed=True)
    is_call = line.code[0] == CALL
    if place in facts.relocations:
        kind, symbol = facts.relocations[place]
        offset = symbol.value + (SLOT * (imm + 1) if is_call else imm)
        target = facts.place(symbol.section, offset) if symbol.section else f"{symbol.binding} {symbol.name}"
        return f"{line.code[:2].hex()} {'' if is_call else kind + ' '}{target}"  # calls need none within a section
    if is_call and line.code[1] in PSEUDO_CALL:
        return f"{line.code[:2].hex()} {facts.place(place[0], place[1] + SLOT * (imm + 1))}"
    return line.text
