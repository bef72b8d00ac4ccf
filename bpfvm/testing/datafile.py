"""Data files: a few instructions, what they work on, and what they must give on every machine.

    # Comments begin with "# ". This one says what the file is about.
    -- case divisor from memory     begins a case; a file of one case needs none
    -- asm                          in the syntax of bpfvm.isa.asm; helpers by name or number
    r2 = *(u8 *)(r1 +1)
    r0 = 7
    r0 %= r2
    exit
    -- mem                          bytes in hex that r1 points to; what a packet program gets as its packet
    01 02
    -- result                       r0, all 64 bits: decimal, hex or negative
    1

    -- case wraps
    -- asm
    ra += rb
    r0 = ra
    exit
    -- registers ra rb              ra and rb (wa, wb) stand for registers
    -- rows ra rb                   a case for each line: these registers before the first instruction, and r0 after
    0xffffffffffffffff 1 -> 0
    -5 3 -> -2

What a case may have besides, all optional:

    type        the program's type; syscall without it
    code        the program's bytes in hex in place of asm, for what is no instruction
    maps        NAME TYPE KEY-SIZE VALUE-SIZE ENTRIES FLAG …, a line each
    mem-after   bytes in hex: mem, or the packet, after the run
    fault       "kind: part of the message", in place of a result: a run that ends early
    refused     part of the message, in place of a result: a load that fails
    kernel      part of what the kernel's verifier says to a program that it does not take, where an emulator does, or
                says it in other words
    warning     "kind: part of the message": what the reference tier finds doubtful; without it that is nothing
    insns       how many instructions the run executes, on machines that count them
    budget      how many it may execute; machines that have no budget are not asked a case that ends by it
    plain       nothing: see below

The values of `rows` are put into memory as little-endian 64-bit words and loaded from there, so that a verifier
knows nothing of them and a JIT has to compute.

`registers` makes a case of every choice of different registers r0 to r9 for one or two names, 10 or 90; for three
names so many that any two of them stand for every two registers, in either order. Registers that `rows` names in full
are not chosen. Rows and choices are paired off, and the shorter of the two begins again: each row and each choice is
met, not each pair.

The kernel shows the low 32 bits of r0 only, so `spec(store_result=True)` puts an entry function before the case:

    r6 = r1                         the case is called as a function: r6 to r9 and its stack are its own,
    call body                       and r1 is still the unmodified context, which alone the kernel lets it read
    *(u64 *)(r6 + tail) = r0        tail: the size of mem, rounded up to 8
    r0 = 0
    exit
    body: …

`context()` is the memory for either form, with these 8 bytes behind it. A case that needs all 8 frames, or the last
bytes of its 512 bytes of stack, does not fit behind an entry function: `-- plain` says so, and it always runs without.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import SLOT
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.maps import BY_NAME as MAP_TYPES
from bpfvm.tables.maps import FLAGS, flag_bits
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.testing.case import NAME, UNSTORED, WORD, Case, Expectation
from bpfvm.testing.sections import Section, Sections, number, read_sections

__all__ = ["NAME", "UNSTORED", "Case", "Expectation", "choices", "load_cases", "read_cases"]

_MOST = 0x7FF0  # bytes of mem: r0 is stored behind them, at an offset of 16 bits
_ENDS = ("result", "rows", "fault", "refused")
_ROW = re.compile(r"(.*?)\s*->\s*(\S+)")
_NAMES = ("ra", "rb", "rc")
_NAMED = re.compile(r"\b([rw])([abc])\b")
_NUMBERED = 10  # r0 to r9

_Choice = dict[str, int]  # of registers: "ra" -> 3


def load_cases(folder: str | Path) -> list[Case]:
    """The cases of every *.data file in the folder itself, in the order of names and lines.

    Raises LoadError with file and line, also for a folder that has none.
    """
    cases = [case for path in sorted(Path(folder).glob("*.data")) for case in read_cases(path)]
    if not cases:
        raise LoadError(f"{folder}: there are no data files (*.data)")
    return cases


def read_cases(path: str | Path) -> list[Case]:
    """The cases of one file. Raises LoadError with file and line."""
    seen: dict[str, Case] = {}
    for sections in read_sections(path):
        for case in _cases(sections, Path(path).stem):
            if case.name in seen:
                first = seen[case.name].place.line
                raise LoadError(f"{case.place}: there is another case {case.name!r} in line {first}")
            seen[case.name] = case
    return list(seen.values())


@functools.cache
def choices(names: int, barred: frozenset[int] = frozenset()) -> tuple[tuple[int, ...], ...]:
    """Registers for so many names, one to three: all choices of different ones, for three as many as bring every
    ordered pair to any two of the names. barred: registers that are not chosen.
    """
    free = [register for register in range(_NUMBERED) if register not in barred]
    every = tuple(itertools.permutations(free, names))
    if names < 3:
        return every
    taken, missing = [], {pair for one in every for pair in _pairs(one)}
    for gain in (3, 2, 1):
        for one in every:
            if len(missing & _pairs(one)) >= gain:
                taken.append(one)
                missing -= _pairs(one)
    return tuple(taken)


def _pairs(choice: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    """Every two names of a choice, with their registers."""
    return set(itertools.combinations(enumerate(choice), 2))


def _cases(raw: Sections, stem: str) -> Iterator[Case]:
    """The case of these sections, or one for each of its rows and choices of registers."""
    case, end = _frame(raw, stem)
    rows = list(raw["rows"].words()) if "rows" in raw else [raw[end].one()]
    if not rows:
        raise LoadError(f"{raw['rows'].place}: there is no row")
    chosen: Sequence[_Choice] = _chosen(raw) if "registers" in raw else ({},)
    for at in range(max(len(rows), len(chosen))):
        place, words = rows[at % len(rows)]
        choice = chosen[at % len(chosen)]
        shown = " ".join(f"{name}=r{register}" for name, register in choice.items())
        one = replace(
            case, name=f"{case.name} [{shown}]" if shown else case.name,
            insns=_assembled(raw["asm"], choice, case.maps) if "asm" in raw else (),
        )  # fmt: skip
        yield _row(one, raw["rows"], choice, place, words) if end == "rows" else _ended(one, end, raw[end])


def _frame(raw: Sections, stem: str) -> tuple[Case, str]:
    """What all cases of these sections have, and the section that tells how they end."""
    place = next(iter(raw.values())).place
    name = f"{stem}: {raw['case'].argument}" if "case" in raw else stem
    for empty in ("case", "registers", "plain"):
        if empty in raw and list(raw[empty].words()):
            raise LoadError(f"{raw[empty].place}: met text where `-- {empty}` wants a section behind it")
    if ("asm" in raw) == ("code" in raw):
        has = "both sections asm and code, and" if "asm" in raw else "neither section asm nor code, and"
        raise LoadError(f"{place}: case {name!r} has {has} must have one")
    ends = [end for end in _ENDS if end in raw]
    if len(ends) != 1:
        met = " and ".join(ends) or "none"
        raise LoadError(f"{place}: case {name!r} has {met} of {', '.join(_ENDS)}, and must have one")
    expect = Expectation(
        memory=raw["mem-after"].bytes() if "mem-after" in raw else None,
        warning=raw["warning"].pair() if "warning" in raw else None,
        insns=raw["insns"].number() if "insns" in raw else None,
        kernel=raw["kernel"].one()[1] if "kernel" in raw else None,
    )
    case = Case(
        name, _type(raw), (), raw["mem"].bytes() if "mem" in raw else b"", expect, place, code=_code(raw),
        maps=read_maps(raw["maps"]) if "maps" in raw else (),
        budget=raw["budget"].number() if "budget" in raw else None, plain="plain" in raw,
    )  # fmt: skip
    if len(case.mem) > _MOST:
        raise LoadError(f"{place}: {octets(len(case.mem))} of memory are more than the {_MOST} that a case can have")
    if expect.memory is not None and not case.has_packet and len(expect.memory) != len(case.mem):
        raise LoadError(f"{place}: mem-after has {octets(len(expect.memory))}, and mem has {len(case.mem)}")
    return case, ends[0]


def _code(raw: Sections) -> bytes:
    if "code" not in raw:
        return b""
    section = raw["code"]
    code = section.bytes()
    if not code or len(code) % SLOT:
        raise LoadError(f"{section.place}: {octets(len(code))} of code, and a program is whole slots of {SLOT} bytes")
    for name in ("rows", "registers"):
        if name in raw:
            raise LoadError(f"{raw[name].place}: {name} change the instructions of asm, and this case has code")
    return code


def read_maps(section: Section) -> tuple[MapSpec, ...]:
    """The maps of a section: name, type, key size, value size, entries and flags, a line each."""
    found: dict[str, MapSpec] = {}
    for place, words in section.words():
        name, kind, *rest = [*words.split(), ""][:-1] if len(words.split()) >= 5 else ("", "")
        sizes, flags = rest[:3], rest[3:]
        if kind not in MAP_TYPES or set(flags) - set(FLAGS):
            raise LoadError(
                f"{place}: met {words!r} where a map is wanted: its name, type, key size, value size, entries and flags"
            )
        if name in found:
            raise LoadError(f"{place}: the map {name} is there twice")
        key, value, entries = (number(place, size) for size in sizes)
        found[name] = MapSpec(name, kind, key, value, entries, flag_bits(" ".join(flags)))
    return tuple(found.values())


def _type(raw: Sections) -> str:
    if "type" not in raw:
        return "syscall"
    place, name = raw["type"].one()
    if name not in PROGRAM_TYPES:
        raise LoadError(f"{place}: there is no program type {name!r}; types are {', '.join(PROGRAM_TYPES)}")
    return name


def _chosen(raw: Sections) -> list[_Choice]:
    """What the names of section registers stand for, in each of the cases to make."""
    section = raw["registers"]
    names = section.argument.split()
    if not set(names) <= set(_NAMES) or len(set(names)) != len(names):
        raise LoadError(f"{section.place}: met {section.argument!r} where names {', '.join(_NAMES)} are wanted")
    given = raw["rows"].argument.split() if "rows" in raw else []
    barred = frozenset(int(name[1:]) for name in given if re.fullmatch("r[0-9]", name))
    found = [dict(zip(names, one, strict=True)) for one in choices(len(names), barred)]
    if not found:
        raise LoadError(f"{section.place}: {len(barred)} registers are taken, and {len(names)} are wanted")
    return found


def _renamed(text: str, choice: _Choice) -> str:
    """`text` with registers in place of the names that stand for them."""
    return _NAMED.sub(lambda found: f"{found[1]}{choice.get('r' + found[2], found[2])}", text)


def _assembled(section: Section, choice: _Choice, maps: Sequence[MapSpec]) -> tuple[Insn, ...]:
    body = assemble(
        _renamed("\n".join(section.lines), choice),
        helper=helper_number, file=section.place.file, first_line=section.place.line + 1,
    )  # fmt: skip
    if not body:
        raise LoadError(f"{section.place}: this section has no instruction")
    known = [one.name for one in maps]
    for one in body:
        if one.symbol is not None and one.symbol not in known:
            raise LoadError(
                f"{one.source}: there is no map {one.symbol!r} in section maps, which has {', '.join(known) or 'none'}"
            )
    return tuple(body)


def helper_number(name: str) -> int | None:
    """The number of a helper by its whole name, bpf_map_lookup_elem."""
    row = HELPERS.get(name.removeprefix("bpf_"))
    return row.id if row is not None and name.startswith("bpf_") else None


def _ended(case: Case, end: str, section: Section) -> Case:
    """The case with what it must give."""
    expect = case.expect
    if end == "result":
        return replace(case, expect=replace(expect, result=section.number()))
    if end == "refused":
        return replace(case, expect=replace(expect, refused=section.one()[1]))
    return replace(case, expect=replace(expect, fault=section.pair()))


def _row(case: Case, section: Section, choice: _Choice, place: Location, words: str) -> Case:
    """The case of one line of rows: registers loaded from memory first, and what r0 must be."""
    named = section.argument.split()
    registers = _renamed(section.argument, choice).split()
    for name in registers:
        if not re.fullmatch("r[0-9]", name) or registers.count(name) > 1:
            raise LoadError(f"{section.place}: met {name} where registers r0 to r9, each once, are wanted")
    if case.mem or case.type != "syscall":
        raise LoadError(
            f"{section.place}: rows make the memory of a syscall program, so mem and type do not go with them"
        )
    found = _ROW.fullmatch(words)
    given = found[1].split() if found else []
    if found is None or len(given) != len(registers):
        raise LoadError(f"{place}: met {words!r} where {len(registers)} numbers, -> and r0 are wanted")
    values = [number(place, word) for word in given]
    before = " ".join(f"{name}={word}" for name, word in zip(named, given, strict=True))
    return replace(
        case, name=f"{case.name}: {before}", insns=(*_loads(registers, place), *case.insns),
        mem=b"".join(value.to_bytes(WORD, "little") for value in values),
        expect=replace(case.expect, result=number(place, found[2])), place=place, has_words=True,
    )  # fmt: skip


def _loads(registers: list[str], place: Location) -> list[Insn]:
    """The registers from the words of memory; r1, which points there, comes last."""
    numbered = sorted(enumerate(registers), key=lambda pair: pair[1] == "r1")
    return [replace(insn("ldx64", int(name[1:]), 1, WORD * at), source=place) for at, name in numbered]
