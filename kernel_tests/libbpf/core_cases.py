"""Pairs of types that a program was compiled for and is to run on, with relocations between them, made at random.

The names are few, so that types of one name differ, and the target is the object's own types with members moved,
renamed, resized, wrapped in unnamed unions, flavoured, doubled and left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.obj.btf.ext import CORE_KINDS
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import (
    Array,
    Const,
    Enum,
    Enum64,
    Float,
    FuncProto,
    Fwd,
    Int,
    Member,
    Ptr,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Volatile,
)
from bpfvm.obj.core.access import parse
from bpfvm.obj.core.value import value_of
from bpfvm.obj.model import CoreReloc, ObjectSpec, ProgramSpec

MEMBERS, TAGS = ("a", "b", "c", "d"), ("s", "t", "u")
FLAVOURS = ("", "", "", "___x", "___old")


@dataclass(frozen=True, slots=True)
class Case:
    """An object with relocations, and the types of its target."""

    spec: ObjectSpec
    target: Btf


def cases(seed: int, count: int) -> Iterator[Case]:
    """`count` cases, always the same for one seed."""
    dice = random.Random(seed)
    while count:
        local = Btf(_types(dice))
        target = Btf(_changed(dice, list(local))) if dice.random() < 0.8 else Btf(_types(dice))
        for _ in range(6):
            spec = _object(dice, local)
            if spec is not None and count:
                count -= 1
                yield Case(spec, target)


def _types(dice: random.Random) -> list[Type]:
    types: list[Type] = [
        Int("int", 4, 32, 0, True),
        Int("unsigned int", 4, 32),
        Int("unsigned long", 8, 64),
        Int("char", 1, 8, 0, True),
        Int("short", 2, 16),
        Float("double", 8),
    ]
    for _ in range(dice.randint(6, 16)):
        types.append(_type(dice, types))
    return [Ptr(1) if isinstance(one, Ptr) and one.type > len(types) else one for one in types]


def _type(dice: random.Random, types: list[Type]) -> Type:
    old = dice.randint(1, len(types))
    tag = dice.choice(TAGS) + dice.choice(FLAVOURS)
    match dice.choice(("struct", "struct", "struct", "union", "enum", "array", "ptr", "other", "proto")):
        case "struct":
            return _composite(dice, types, "" if dice.random() < 0.15 else tag)
        case "union":
            name = "" if dice.random() < 0.4 else tag
            members = tuple(replace(one, offset=0) for one in _composite(dice, types, name).members)
            return Union(name, 16, members)
        case "enum":
            return _enum(dice, "" if dice.random() < 0.2 else tag)
        case "array":
            return Array(_sized(dice, types), 2, dice.choice((0, 1, 3)))
        case "ptr":
            return Ptr(dice.randint(0, len(types) + 2))
        case "proto":
            params = tuple(("", dice.randint(1, len(types))) for _ in range(dice.randint(0, 2)))
            return FuncProto(dice.randint(0, len(types)), params)
    return dice.choice(
        (
            Const(old),
            Volatile(old),
            Typedef(tag, old),
            Typedef(tag, old),
            TypeTag("user", old),
            Fwd(tag, dice.random() < 0.5),
        )
    )


def _enum(dice: random.Random, name: str) -> Type:
    wide, is_signed = dice.random() < 0.3, dice.random() < 0.3
    names = dice.sample(("A", "B", "C___x", "C", "D"), dice.randint(1, 4))
    numbers = (0, 1, 77, -5 if is_signed else 99, 1 << 40 if wide else 5, 0x7FFFFFFE)
    values = tuple((one, dice.choice(numbers)) for one in names)
    return Enum64(name, 8, values, is_signed) if wide else Enum(name, dice.choice((4, 4, 1, 8)), values, is_signed)


def _sized(dice: random.Random, types: list[Type]) -> int:
    """The id of a type that has a size."""
    btf = Btf(types)
    while True:
        number = dice.randint(1, len(types))
        try:
            size = btf.size_of(number)
        except LoadError:
            continue
        if size < 600:
            return number


def _composite(dice: random.Random, types: list[Type], name: str) -> Struct:
    btf, at, members = Btf(types), 0, []
    # C has no two members of one name in a struct, those of its unnamed members among them
    names = MEMBERS if name else tuple(f"{one}{len(types)}" for one in MEMBERS)
    for own in dice.sample(names, dice.randint(0, 4)):
        number = _sized(dice, types)
        size = btf.size_of(number)
        kind = types[btf.strip(number) - 1]
        is_unnamed = isinstance(kind, Struct | Union) and not kind.name and dice.random() < 0.7
        label = "" if is_unnamed else own + dice.choice(("", "", "", "___x"))
        if isinstance(kind, Int | Enum) and dice.random() < 0.3 and size <= 8:
            bits = dice.randint(1, size * 8)
            at += dice.choice((0, 0, 3, 9))
            members.append(Member(label, number, at, bits))
            at += bits
            continue
        at = -(-at // 8) * 8 + dice.choice((0, 0, 8, 64))
        members.append(Member(label, number, at))
        at += size * 8
    return Struct(name, -(-at // 64) * 8, tuple(members))


def _changed(dice: random.Random, types: list[Type]) -> list[Type]:
    """The types of another kernel: ids stay, so that references do."""
    out = [_mutant(dice, one, types) if dice.random() < 0.35 else one for one in types]
    for one in dice.sample(types, 2):
        out.append(_mutant(dice, one, types) if dice.random() < 0.5 else one)
    return out


def _mutant(dice: random.Random, one: Type, types: list[Type]) -> Type:
    match one:
        case Int():
            size = dice.choice((1, 2, 4, 8))
            return replace(one, size=size, bits=size * 8, is_signed=dice.random() < 0.5)
        case Struct(members=members) | Union(members=members):
            return replace(
                one, members=_moved(dice, members, types), name=one.name and one.name + dice.choice(FLAVOURS)
            )
        case Enum(values=values) | Enum64(values=values):
            moved = dice.sample(values, dice.randint(1, len(values)))
            return replace(one, values=tuple((name, number + 1) for name, number in moved))
        case Array():
            return replace(one, count=dice.choice((0, 2, 3, 5)))
        case Typedef():
            return replace(one, name=one.name + dice.choice(FLAVOURS))
        case Fwd(name):
            return Struct(name, 8, (Member("a", 1, 0),)) if dice.random() < 0.5 else one
    return one


def _moved(dice: random.Random, members: tuple[Member, ...], types: list[Type]) -> tuple[Member, ...]:
    out = [replace(one, offset=one.offset + dice.choice((0, 32, 64))) for one in members]
    dice.shuffle(out)
    if out and dice.random() < 0.3:
        out.pop()
    if out and dice.random() < 0.3:
        out[0] = replace(out[0], type=dice.randint(1, 5), bits=0)
    if out and dice.random() < 0.2:
        out[0] = replace(out[0], name="z")
    return tuple(out)


def _object(dice: random.Random, local: Btf) -> ObjectSpec | None:
    """An object with one to three relocations, or None where the dice made none that can be asked."""
    root = dice.randint(1, len(local))
    if dice.random() < 0.7 and not getattr(local[root], "name", ""):
        return None
    insns: list[Insn] = []
    core: list[CoreReloc] = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        kind = dice.choice(CORE_KINDS)
        access = _access(dice, local, kind, root)
        try:
            value = value_of(local, kind, parse(local, kind, root, access), "little")
        except LoadError:
            continue
        assert value is not None
        core.append(CoreReloc(slots(insns)[-1], kind, root, access))
        insns.append(_instruction(dice, kind, value.number + (dice.random() < 0.05), value.size))
    btf = Btf(local)
    btf.add_func("p", btf.add(FuncProto(1, (("ctx", btf.add_ptr(0)),))))
    whole = (*insns, insn("mov64_k", 0), insn("exit"))
    program = ProgramSpec("p", "raw_tp/sys_enter", "raw_tracepoint", whole, core=tuple(core))
    return ObjectSpec({"p": program}, {}, btf) if core else None


def _instruction(dice: random.Random, kind: str, number: int, size: int) -> Insn:
    form = dice.choice(("imm", "wide", "memory")) if kind == "field_byte_offset" else dice.choice(("imm", "wide"))
    if form == "memory" and number < 1 << 15:
        bits = size * 8 if size in (1, 2, 4, 8) and dice.random() < 0.9 else 32
        form = dice.choice(("ldx", "stx", "st"))
        return insn(f"{form}{bits}", 1, 0 if form == "st" else 1, number)
    if form == "imm" and signed(number, 64) == signed(number, 32):
        return insn(dice.choice(("mov64_k", "mov64_k", "mov32_k", "add64_k")), 1, imm=signed(number & M32, 32))
    return insn("lddw", 1, imm=number)


def _access(dice: random.Random, local: Btf, kind: str, root: int) -> str:
    if kind.startswith("type_"):
        return "0"
    if kind.startswith("enumval_"):
        return str(dice.randint(0, 3))
    indexes, number = [0 if dice.random() < 0.9 else 1], local.strip(root)
    for _ in range(dice.randint(1, 5)):
        one = local[number] if number else None
        if isinstance(one, Struct | Union) and one.members:
            indexes.append(dice.randrange(len(one.members)))
            number = local.strip(one.members[indexes[-1]].type)
        elif isinstance(one, Array):
            indexes.append(dice.choice((0, 0, 1, 2)))
            number = local.strip(one.type)
    return ":".join(map(str, indexes))
