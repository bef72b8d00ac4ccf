"""Programs of objects as bytes, without types, and what becomes of them when a few instructions are changed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Location
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import slots
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.tables.sections import of_section
from bpfvm.testing.verdicts import FLAGS, VerdictCase

_TYPED = ("call_kfunc", "lddw_btf_id", "lddw_func", "lddw_map_idx", "lddw_map_idx_value")
_LONGEST = 150
_WIDE, _SYMBOLIC = 0x18, (1, 2)
_DISTANCES = (-8, -4, -1, 1, 2, 4, 8)
_NUMBERS = (0, 1, -1, 4, 8, 0x7FFFFFFF, 255)


def originals(folders: tuple[Path, ...]) -> list[VerdictCase]:
    """The programs of all objects of the folders that need no types of BTF."""
    found: list[VerdictCase] = []
    for path in sorted(path for folder in folders for path in folder.glob("*.o")):
        try:
            spec = read_object(path)
        except BpfvmError:
            continue
        if spec.endian == "little" and not spec.externs:
            found += _plain(path, spec)
    return found


def _plain(path: Path, spec: ObjectSpec) -> Iterator[VerdictCase]:
    for name, one in spec.programs.items():
        section = of_section(one.section)
        typed = section.btf or one.type == "unspec" or any(each.op.name in _TYPED for each in one.insns)
        if not typed and len(one.insns) <= _LONGEST:
            yield _case(path, spec, name, one)


def _case(path: Path, spec: ObjectSpec, name: str, one: ProgramSpec) -> VerdictCase:
    section = of_section(one.section)
    maps = {key: replace(spec.maps[key], key_type=0, value_type=0, contents=(), pin="") for key in one.map_names
            if key in spec.maps}  # fmt: skip
    symbols = {slot: each.symbol for slot, each in zip(slots(one.insns), one.insns, strict=False)
               if each.symbol in maps and each.symbol is not None}  # fmt: skip
    return VerdictCase(
        name, one.type, encode(one.insns), symbols, Location(str(path), 0), maps=tuple(maps.values()),
        attach_type=section.attach_type, license=spec.license, flags=FLAGS["sleepable"] if section.sleepable else 0,
    )  # fmt: skip


def mutant(cases: list[VerdictCase], seed: int) -> VerdictCase:
    """One of the programs with one to three slots changed: registers, offsets, numbers, opcodes, copies of others."""
    chance = random.Random(seed)
    case = chance.choice(cases)
    code = bytearray(case.code)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        slot = chance.randrange(len(code) // SLOT)
        if slot not in case.symbols:
            _change(chance, code, slot * SLOT)
    kept = {slot: name for slot, name in case.symbols.items()
            if code[slot * SLOT] == _WIDE and code[slot * SLOT + 1] >> 4 in _SYMBOLIC}  # fmt: skip
    return replace(case, code=bytes(code), symbols=kept)


def _change(chance: random.Random, code: bytearray, at: int) -> None:
    match chance.choices(range(6), (25, 20, 25, 15, 8, 7))[0]:
        case 0:
            code[at + 1] = chance.randrange(11) | chance.randrange(11) << 4
        case 1:
            off = int.from_bytes(code[at + 2 : at + 4], "little") + chance.choice(_DISTANCES)
            code[at + 2 : at + 4] = (off & 0xFFFF).to_bytes(2, "little")
        case 2:
            number = chance.choice((*_NUMBERS, chance.randrange(-300, 300)))
            code[at + 4 : at + 8] = number.to_bytes(4, "little", signed=True)
        case 3:
            other = chance.randrange(len(code) // SLOT) * SLOT
            code[at : at + SLOT] = code[other : other + SLOT]
        case 4:
            code[at] ^= 1 << chance.randrange(6)
        case _:
            code[at : at + SLOT] = bytes([0xB7, chance.randrange(10), 0, 0, chance.randrange(16), 0, 0, 0])
