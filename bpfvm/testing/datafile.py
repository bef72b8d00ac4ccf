"""Data files: a few instructions, what they work on, and what they must give on every machine.

    # Comments begin with "# ". This one says what the file is about.
    -- case divisor from memory     begins a case; a file of one case needs none
    -- asm                          in the syntax of bpfvm.isa.asm; helpers by name or number, no maps
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
    r0 += r2
    exit
    -- rows r0 r2                   a case for each line: these registers before the first instruction, and r0 after
    0xffffffffffffffff 1 -> 0
    -5 3 -> -2

More sections: `type` (program type; syscall without it), `mem-after` (bytes in hex), and in place of a result
`fault` ("kind: part of the message", a run that ends early) or `refused` (part of the message, a load that fails).
`kernel` names part of what the kernel's verifier says to a program that it does not take, where an emulator does.

The values of `rows` are put into memory as little-endian 64-bit words and loaded from there, so that a verifier
knows nothing of them and a JIT has to compute.

The kernel shows the low 32 bits of r0 only, so `spec(store_result=True)` puts an entry function before the case:

    r6 = r1                         the case is called as a function: r6 to r9 and its stack are its own,
    call body                       and r1 is still the unmodified context, which alone the kernel lets it read
    *(u64 *)(r6 + tail) = r0        tail: the size of mem, rounded up to 8
    r0 = 0
    exit
    body: …

`context()` is the memory for either form, with these 8 bytes behind it. A case that needs all 8 frames, or the last
bytes of its 512 bytes of stack, does not fit behind an entry function and is run plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bpfvm.core.bits import M64, mask
from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.core.machine import Fault, Input, Location, Result
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

NAME = "case"  # of the program in a case's object
WORD = 8
UNSTORED = b"\xa5" * WORD  # where r0 goes; what stays there was never stored
_MOST = 0x7FF0  # bytes of mem: r0 is stored behind them, at an offset of 16 bits

_SECTIONS = ("case", "asm", "mem", "type", "result", "rows", "fault", "refused", "mem-after", "kernel")
_ENDS = ("result", "rows", "fault", "refused")
_HEADER = re.compile(r"--\s+([\w-]+)\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*|$)")
_ROW = re.compile(r"(.*?)\s*->\s*(\S+)")
_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0|[1-9][0-9]{,19})")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case must give: `result`, or `fault` (kind, part of the message), or `refused` (part of the message).

    memory: the bytes of mem, or of the packet, after the run; None where they are not looked at.
    kernel: part of what the kernel's verifier says, for a program that it refuses; None where it takes it.
    """

    result: int | None = None
    fault: tuple[str, str] | None = None
    refused: str | None = None
    memory: bytes | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One program and one run of it. `place`: where it stands; `insns` carry their own lines."""

    name: str
    type: str
    insns: tuple[Insn, ...]
    mem: bytes
    expect: Expectation
    place: Location

    @property
    def result(self) -> int | None:
        """r0, unsigned 64 bits, or None for a case that ends otherwise."""
        return self.expect.result

    @property
    def has_packet(self) -> bool:
        """Whether `mem` is a packet; otherwise it is a syscall program's context."""
        return PROGRAM_TYPES[self.type].layer is not None

    def spec(self, store_result: bool = False) -> ObjectSpec:
        """An object whose one program, called "case", is this one.

        store_result: r0 goes into the last 8 bytes of `context()`. A packet program has no place for it, and is the
        same either way.
        """
        insns, functions = self.insns, _functions(self.insns, 0)
        if store_result and not self.has_packet:
            entry = _entry(len(self._padded))
            insns = (*entry, *self.insns)
            functions = (FunctionSpec("body", len(entry), is_static=True), *_functions(self.insns, len(entry)))
        program = ProgramSpec(NAME, self.type, self.type, insns, functions=functions)
        return ObjectSpec({NAME: program}, {})

    def context(self) -> bytes:
        """The memory, and behind it the word that `spec(store_result=True)` stores r0 in."""
        return self._padded + UNSTORED

    def input(self, store_result: bool = False) -> Input:
        """What goes into a machine that has loaded `spec(store_result)`."""
        if self.has_packet:
            return Input(packet=self.mem)
        return Input(ctx=self.context() if store_result else self.mem)

    def check(self, outcome: Result) -> list[str]:
        """What is wrong with a run of either form of the program, one line each; [] for a right one."""
        want = self.expect
        if want.refused is not None:
            return [f"{self.place}: it was loaded, and must be refused with {want.refused!r}"]
        wrong = [f"{self.place}: {line}" for line in _fault_differences(want.fault, outcome.fault)]
        if want.result is not None and outcome.fault is None:
            r0, bits = self._r0(outcome)
            if r0 != want.result & mask(bits):
                wrong.append(f"{self.place}: r0 is {r0:#x}, and must be {want.result & mask(bits):#x} ({bits} bits)")
        after = outcome.packet if self.has_packet else (outcome.ctx or b"")[: len(self.mem)]
        if want.memory is not None and after != want.memory:
            shown = "not known" if after is None else after.hex(" ")
            wrong.append(f"{self.place}: memory after is {shown}, and must be {want.memory.hex(' ')}")
        return wrong

    def check_refusal(self, error: BpfvmError) -> list[str]:
        """What is wrong with a load that failed, one line each; [] where it had to fail so."""
        wanted = self.expect.refused
        if wanted is None:
            return [f"{self.place}: it was refused: {error}"]
        return [] if wanted in str(error) else [f"{self.place}: it must be refused with {wanted!r}, not {error}"]

    @property
    def _padded(self) -> bytes:
        return self.mem + bytes(-len(self.mem) % WORD)

    def _r0(self, outcome: Result) -> tuple[int, int]:
        """r0 and how many bits of it are known. The context's size tells which form of the program ran."""
        if not self.has_packet and outcome.ctx is not None and len(outcome.ctx) == len(self.context()):
            return int.from_bytes(outcome.ctx[-WORD:], "little"), 64
        return outcome.r0 & mask(outcome.r0_bits), outcome.r0_bits


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
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: a data file cannot be read: {error}") from None
    cases: list[Case] = []
    for raw in _raw_cases(text, str(path)):
        cases += _cases(raw, Path(path).stem)
    seen: dict[str, Case] = {}
    for case in cases:
        if case.name in seen:
            raise LoadError(f"{case.place}: there is another case {case.name!r} in line {seen[case.name].place.line}")
        seen[case.name] = case
    return cases


@dataclass(frozen=True, slots=True)
class _Section:
    """A section as it stands: its argument, its lines with comments, and the line behind its header."""

    argument: str
    lines: list[str]
    place: Location

    def words(self) -> Iterator[tuple[Location, str]]:
        """Lines that say something, without comments."""
        for number, line in enumerate(self.lines, self.place.line + 1):
            words = _COMMENT.sub("", line).strip()
            if words:
                yield replace(self.place, line=number), words

    def one(self) -> tuple[Location, str]:
        """The only line."""
        found = list(self.words())
        if len(found) != 1:
            raise LoadError(f"{self.place}: this section has {len(found)} lines, and must have one")
        return found[0]

    def bytes(self) -> bytes:
        """Bytes in hex, blanks anywhere between them."""
        data = bytearray()
        for place, words in self.words():
            try:
                data += bytes.fromhex(words)
            except ValueError:
                raise LoadError(f"{place}: met {words!r} where bytes in hex are wanted") from None
        return bytes(data)


_Raw = dict[str, _Section]


def _raw_cases(text: str, file: str) -> Iterator[_Raw]:
    """The sections of each case. Raises LoadError for what is not in a section."""
    sections: _Raw = {}
    current: _Section | None = None
    for number, line in enumerate(text.splitlines(), 1):
        place = Location(file, number)
        header = _HEADER.fullmatch(line.strip())
        if header is None:
            if current is not None:
                current.lines.append(line)
            elif line.strip() and not _COMMENT.match(line):
                raise LoadError(f"{place}: met {line.strip()!r} where a comment or a section (-- asm) is wanted")
            continue
        name, argument = header[1], _COMMENT.sub("", header[2])
        if name not in _SECTIONS:
            raise LoadError(f"{place}: there is no section {name!r}; sections are {', '.join(_SECTIONS)}")
        if bool(argument) != (name in ("case", "rows")):
            more = "a name" if name == "case" else "names of registers" if name == "rows" else "nothing"
            raise LoadError(f"{place}: met {argument!r} where `-- {name}` wants {more} behind it")
        if name == "case" and sections:
            yield sections
            sections = {}
        if name in sections:
            raise LoadError(f"{place}: section {name!r} is there twice; `-- case NAME` begins another case")
        current = sections[name] = _Section(argument, [], place)
    if not sections:
        raise LoadError(f"{file}: there is no section, so no case")
    yield sections


def _cases(raw: _Raw, stem: str) -> Iterator[Case]:
    """The case of these sections, or one for each of its rows."""
    place = next(iter(raw.values())).place
    name = f"{stem}: {raw['case'].argument}" if "case" in raw else stem
    if "case" in raw and list(raw["case"].words()):
        raise LoadError(f"{place}: met text where `-- case` wants a section behind it")
    if "asm" not in raw:
        raise LoadError(f"{place}: case {name!r} has no section asm")
    ends = [end for end in _ENDS if end in raw]
    if len(ends) != 1:
        has = " and ".join(ends) or "none"
        raise LoadError(f"{place}: case {name!r} has {has} of {', '.join(_ENDS)}, and must have one")
    body = _assembled(raw["asm"])
    expect = Expectation(
        memory=raw["mem-after"].bytes() if "mem-after" in raw else None,
        kernel=raw["kernel"].one()[1] if "kernel" in raw else None,
    )
    case = Case(name, _type(raw), body, raw["mem"].bytes() if "mem" in raw else b"", expect, place)
    if len(case.mem) > _MOST:
        raise LoadError(f"{place}: {len(case.mem)} bytes of memory are more than the {_MOST} that a case can have")
    if expect.memory is not None and not case.has_packet and len(expect.memory) != len(case.mem):
        raise LoadError(f"{place}: mem-after has {len(expect.memory)} bytes, and mem has {len(case.mem)}")
    if "rows" in raw:
        yield from _rows(case, raw)
    else:
        yield replace(case, expect=_ended(expect, ends[0], *raw[ends[0]].one()))


def _assembled(section: _Section) -> tuple[Insn, ...]:
    body = assemble(
        "\n".join(section.lines), helper=_helper, file=section.place.file, first_line=section.place.line + 1
    )
    if not body:
        raise LoadError(f"{section.place}: this section has no instruction")
    for one in body:
        if one.symbol is not None:
            raise LoadError(f"{one.source}: {one.symbol} is not in this file: data files have no maps in this version")
    return tuple(body)


def _helper(name: str) -> int | None:
    row = HELPERS.get(name.removeprefix("bpf_"))
    return row.id if row is not None and name.startswith("bpf_") else None


def _type(raw: _Raw) -> str:
    if "type" not in raw:
        return "syscall"
    place, name = raw["type"].one()
    if name not in PROGRAM_TYPES:
        raise LoadError(f"{place}: there is no program type {name!r}; types are {', '.join(PROGRAM_TYPES)}")
    return name


def _ended(expect: Expectation, end: str, place: Location, words: str) -> Expectation:
    if end == "result":
        return replace(expect, result=_number(place, words))
    if end == "refused":
        return replace(expect, refused=words)
    kind, colon, message = words.partition(":")
    if not colon:
        raise LoadError(f"{place}: met {words!r} where a fault's kind, a colon and part of its message are wanted")
    return replace(expect, fault=(kind.strip(), message.strip()))


def _rows(case: Case, raw: _Raw) -> Iterator[Case]:
    section = raw["rows"]
    registers = section.argument.split()
    for name in registers:
        if not re.fullmatch("r[0-9]", name) or registers.count(name) > 1:
            raise LoadError(f"{section.place}: met {name} where registers r0 to r9, each once, are wanted")
    if "mem" in raw or case.type != "syscall":
        raise LoadError(
            f"{section.place}: rows make the memory of a syscall program, so mem and type do not go with them"
        )
    rows = list(section.words())
    if not rows:
        raise LoadError(f"{section.place}: there is no row")
    for place, words in rows:
        found = _ROW.fullmatch(words)
        given = found[1].split() if found else []
        if found is None or len(given) != len(registers):
            raise LoadError(f"{place}: met {words!r} where {len(registers)} numbers, -> and r0 are wanted")
        values = [_number(place, word) for word in given]
        before = " ".join(f"{name}={word}" for name, word in zip(registers, given, strict=True))
        yield replace(
            case, name=f"{case.name}: {before}", insns=(*_loads(registers, place), *case.insns),
            mem=b"".join(value.to_bytes(WORD, "little") for value in values),
            expect=replace(case.expect, result=_number(place, found[2])), place=place,
        )  # fmt: skip


def _loads(registers: list[str], place: Location) -> list[Insn]:
    """The registers from the words of memory; r1, which points there, comes last."""
    numbered = sorted(enumerate(registers), key=lambda pair: pair[1] == "r1")
    return [replace(insn("ldx64", int(name[1:]), 1, WORD * at), source=place) for at, name in numbered]


def _number(place: Location, word: str) -> int:
    """An integer as 64 unsigned bits."""
    number = int(word, 0) if _INTEGER.fullmatch(word) else None
    if number is None or not -(1 << 63) <= number <= M64:
        raise LoadError(f"{place}: met {word!r} where a 64-bit number, decimal or hex, is wanted")
    return number & M64


def _functions(insns: tuple[Insn, ...], start: int) -> tuple[FunctionSpec, ...]:
    """The local functions that `insns`, which begin at slot `start`, call."""
    called = {target_slot(one, slot): None for slot, one in zip(slots(insns), insns, strict=False) if _is_call(one)}
    return tuple(
        FunctionSpec(f"f{number}", start + slot, is_static=True)
        for number, slot in enumerate(sorted(slot for slot in called if slot is not None), 1)
    )


def _is_call(one: Insn) -> bool:
    return one.op.name == "call_local"


def _entry(tail: int) -> tuple[Insn, ...]:
    """The function before a case that stores its r0 at `tail` of the context."""
    return (
        insn("mov64_x", 6, 1),
        insn("call_local", imm=3),
        insn("stx64", 6, 0, tail),
        insn("mov64_k", 0),
        insn("exit"),
    )


def _fault_differences(wanted: tuple[str, str] | None, met: Fault | None) -> list[str]:
    if wanted is None:
        return [f"it ended by a fault, {met}"] if met is not None else []
    if met is None:
        return [f"it ended without a fault, and must end by {wanted[0]}: {wanted[1]}"]
    if met.kind != wanted[0] or wanted[1] not in met.message:
        return [f"it ended by {met}, and must end by {wanted[0]}: {wanted[1]}"]
    return []
