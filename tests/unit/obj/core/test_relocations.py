"""CO-RE: what relocations ask for, which types of a target answer, what becomes of the instructions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.disasm import text
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.ext import CORE_KINDS
from bpfvm.obj.btf.index import BtfIndex, open_index
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
    Union,
)
from bpfvm.obj.core.access import parse
from bpfvm.obj.core.match import Matcher
from bpfvm.obj.core.relocations import POISON, missing, relocate
from bpfvm.obj.core.value import value_of
from bpfvm.obj.cursor import Bytes, StringTable
from bpfvm.obj.model import CoreReloc, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
INT, U32, U64, S16 = Int("int", 4, 32, 0, True), Int("u32", 4, 32), Int("u64", 8, 64), Int("s16", 2, 16, 0, True)


def one_program(local: Sequence[Type], *asked: tuple[Insn, str, int, str], endian: str = "little") -> ObjectSpec:
    """Each of `asked`: an instruction, and the kind, type and access of its relocation."""
    insns: list[Insn] = []
    core: list[CoreReloc] = []
    for one, kind, root, access in asked:
        core.append(CoreReloc(sum(each.width for each in insns), kind, root, access))
        insns.append(one)
    program = ProgramSpec("p", "xdp", "xdp", (*insns, insn("exit")), core=tuple(core))
    return ObjectSpec({"p": program}, {}, Btf(local), endian=endian)


def patched(spec: ObjectSpec, target: Sequence[Type]) -> list[str]:
    """The program's instructions as text, without the exit."""
    return [text(one) for one in relocate(spec, Btf(target)).programs["p"].insns[:-1]]


def ask(local: Sequence[Type], target: Sequence[Type], kind: str, access: str, holds: int = 0, root: int = 1) -> str:
    return patched(one_program(local, (insn("lddw", 1, imm=holds), kind, root, access)), target)[0]


# What the layouts of core_target.c say to the questions of core_layout.c, by hand; slot -> immediate
QUESTIONS = {
    0: 4,  # id: behind lead and 3 bytes of padding
    4: 4,  # its size: a u32 there
    6: 16 + 2 * 24 + 4 + 3 * 2,  # inner[2].zone[3]: inner at 16, each of 24 bytes, zone at 4
    8: 4 * 24,  # all of inner
    10: 2,
    12: 120,  # middle: 20 bits from bit 3 of the u32 at 120
    14: 4,
    16: 64 - (3 + 20),
    18: 64 - 20,
    20: 0,
    22: 120,  # signed_bits: 40 bits from bit 23 of the s64 at 120
    24: 8,
    26: 64 - (23 + 40),
    28: 64 - 40,
    30: 1,
    32: 116,  # word: second of an unnamed struct in an unnamed union at 112
    34: 1,
    36: 0,  # gone
    38: 140 + 3,  # tail, of any length there
    40: 1,
    43: POISON,
    45: 2 * 144 + 116,
}
ACCESSES = {
    2: "*(u32 *)(r1 +116) = r2",
    3: "r2 = *(u64 *)(r1 +8)",
    4: f"call helper#{POISON}",
    5: "r2 = *(u64 *)(r2 +8)",
    7: "*(u32 *)(r1 +4) = r2",
    8: "r2 = *(u32 *)(r1 +116)",
    9: f"call helper#{POISON}",
    11: f"call helper#{POISON}",
}


def test_a_program_meets_other_layouts() -> None:
    spec, target = read_object(OBJECTS / "core_layout.o"), open_index(OBJECTS / "core_target.o")
    found = relocate(spec, target)
    questions, accesses = found.programs["questions"], found.programs["accesses"]
    assert {one.slot: questions.insns[at].imm for at, one in by_place(spec.programs["questions"])} == QUESTIONS
    assert {one.slot: text(accesses.insns[at]) for at, one in by_place(spec.programs["accesses"])} == ACCESSES
    assert [missing(one) for one in (*questions.insns, *accesses.insns) if missing(one)] == [
        "struct record___mine.gone, which the target does not have",
        "struct record___mine.inner[1], 10 bytes in the object and 24 bytes in the target: no unsigned integer in both",
        "struct record___mine.level, 4 bytes in the object and 8 bytes in the target: no unsigned integer in both",
        "struct record___mine.gone, which the target does not have",
    ]
    assert (questions.core, accesses.core, relocate(found, target)) == ((), (), found)
    assert spec.programs["questions"].core, "the object as it was read stays as it is"


def by_place(program: ProgramSpec) -> Iterator[tuple[int, CoreReloc]]:
    slot, at = 0, {}
    for place, one in enumerate(program.insns):
        at[slot] = place
        slot += one.width
    return ((at[one.slot], one) for one in program.core)


def test_one_program_alone_can_be_relocated() -> None:
    spec, target = read_object(OBJECTS / "core_layout.o"), open_index(OBJECTS / "core_target.o")
    found = relocate(spec, target, "accesses")
    assert found.programs["accesses"] == relocate(spec, target).programs["accesses"]
    assert found.programs["questions"] == spec.programs["questions"]


def test_by_its_own_types_an_object_stays_as_it_is() -> None:
    """But for bit-fields, which a compiler may read with another load than the smallest."""
    compared = 0
    for path in sorted(OBJECTS.glob("*.o")):
        spec = read_object(path)
        if spec.btf is None:
            continue
        found = relocate(spec, spec.btf)
        for name, one in spec.programs.items():
            bits = {at for at, row in by_place(one) if not is_checked(spec.btf, row)}
            pairs = zip(one.insns, found.programs[name].insns, strict=True)
            changed = {at for at, (before, after) in enumerate(pairs) if before != after}
            assert changed <= bits, (path.name, name)
            compared += len(one.core)
    print(f"{compared} relocations compared")
    assert compared >= 80


def is_checked(btf: Btf, row: CoreReloc) -> bool:
    value = value_of(btf, row.kind, parse(btf, row.kind, row.type, row.access), "little")
    return value is None or value.is_checked


def test_every_kind_answers_from_the_target() -> None:
    local: list[Type] = [
        Struct("s", 16, (Member("a", 2, 0), Member("b", 3, 64, 5))),
        U32,
        INT,
        Enum("e", 4, (("A", 1), ("B", 2))),
    ]
    target: list[Type] = [
        Ptr(0), Struct("s___v2", 32, (Member("b", 4, 130, 7), Member("a", 3, 192))), U64, INT,
        Enum64("e", 8, (("B___new", -(1 << 40)), ("A", 9)), True),
    ]  # fmt: skip
    wanted = {
        "field_byte_offset": ("0:0", 0, 24), "field_byte_size": ("0:0", 4, 8), "field_exists": ("0:1", 1, 1),
        "field_signed": ("0:1", 1, 1), "field_lshift_u64": ("0:1", 59, 55), "field_rshift_u64": ("0:1", 59, 57),
        "type_id_local": ("0", 1, 1), "type_id_target": ("0", 1, 2), "type_exists": ("0", 1, 1),
        "type_size": ("0", 16, 32), "enumval_exists": ("0", 1, 1), "enumval_value": ("1", 2, (1 << 64) - (1 << 40)),
        "type_matches": ("0", 1, 0),
    }  # fmt: skip
    assert set(wanted) == set(CORE_KINDS)
    for kind, (access, holds, becomes) in wanted.items():
        root = 4 if kind.startswith("enumval") else 1
        assert ask(local, target, kind, access, holds, root) == f"r1 = {becomes:#x} ll", kind


def test_bit_fields_of_big_endian_machines_count_from_the_other_end() -> None:
    local: list[Type] = [Struct("s", 4, (Member("a", 2, 3, 7),)), U32]
    spec = one_program(local, (insn("mov64_k", 1), "field_lshift_u64", 1, "0:0"), endian="big")
    assert patched(spec, local) == [f"r1 = {(8 - 4) * 8 + 3}"]


NOTHING = "call helper#195896080"


@pytest.mark.parametrize(
    ("kind", "access", "holds", "instructions"),
    [
        ("field_byte_offset", "0:0", 0, [NOTHING, NOTHING]),
        ("field_byte_size", "0:0", 4, [NOTHING, NOTHING]),
        ("field_exists", "0:0", 1, ["r1 = 0x0 ll"]),
        ("type_id_target", "0", 1, ["r1 = 0x0 ll"]),
        ("type_exists", "0", 1, ["r1 = 0x0 ll"]),
        ("type_size", "0", 4, ["r1 = 0x0 ll"]),
        ("type_matches", "0", 1, ["r1 = 0x0 ll"]),
    ],
)
def test_what_is_missing_is_0_or_must_not_run(kind: str, access: str, holds: int, instructions: list[str]) -> None:
    spec = one_program([Struct("s___x", 4, (Member("a", 2, 0),)), U32], (insn("lddw", 1, imm=holds), kind, 1, access))
    assert patched(spec, [U32]) == instructions
    reasons = {missing(one) for one in relocate(spec, Btf([U32])).programs["p"].insns[:-1]}
    about = "struct s___x.a" if kind.startswith("field") else "struct s___x"
    assert reasons in ({None}, {f"{about}, which the target does not have, nor any struct s"})


MEMORY = [
    # of the object, of the target, the instruction, what becomes of it
    (U32, U64, insn("ldx32", 1, 2, 4), "r1 = *(u64 *)(r2 +8)"),
    (U64, U32, insn("stx64", 1, 2, 4), "*(u32 *)(r1 +8) = r2"),
    (U64, U32, insn("st64", 1, 0, 4, 7), "*(u32 *)(r1 +8) = 7"),
    (U64, U32, insn("atomic_add64", 1, 2, 4), "lock *(u32 *)(r1 +8) += r2"),
    (U32, INT, insn("ldx32", 1, 2, 4), "r1 = *(u32 *)(r2 +8)"),
    (INT, INT, insn("ldsx32", 1, 2, 4), "r1 = *(s32 *)(r2 +8)"),
    (INT, U64, insn("ldx32", 1, 2, 4), NOTHING),
    (U32, S16, insn("ldx32", 1, 2, 4), NOTHING),
    (Float("float", 4), Float("double", 8), insn("ldx32", 1, 2, 4), NOTHING),
]


@pytest.mark.parametrize(("mine", "theirs", "one", "becomes"), MEMORY)
def test_loads_and_stores_take_the_size_of_the_field(mine: Type, theirs: Type, one: Insn, becomes: str) -> None:
    local: list[Type] = [Struct("s", 16, (Member("a", 2, 32),)), mine]
    target: list[Type] = [Struct("s", 16, (Member("a", 2, 64),)), theirs]
    assert patched(one_program(local, (one, "field_byte_offset", 1, "0:0")), target) == [becomes]


def test_pointers_of_32_bits() -> None:
    local: list[Type] = [Struct("s", 16, (Member("a", 2, 0), Member("b", 2, 64))), Ptr(0)]
    target = Btf([Int("long int", 4, 32), Struct("s", 8, (Member("a", 3, 0), Member("b", 3, 32))), Ptr(0)])
    narrow = BtfIndex(Bytes(btf_codec.encode(target, StringTable(), "little"), ".BTF"))
    spec = one_program(local, (insn("ldx64", 1, 2, 8), "field_byte_offset", 1, "0:1"))
    assert text(relocate(spec, narrow).programs["p"].insns[0]) == "r1 = *(u32 *)(r2 +4)"


S, T = Struct("s", 8, (Member("a", 2, 0), Member("b", 2, 32))), Struct("s", 8, (Member("a", 2, 32),))
REFUSED = [
    ([S, U32], [S, U32, T], "mov64_k", 0, "field_byte_offset", 1, "0:0", "several types of this name"),
    (
        [S, U32],
        [S, U32],
        "mov64_k",
        9,
        "field_byte_offset",
        1,
        "0:1",
        "it holds 9, and by the object's own types struct s.b gives 4",
    ),
    ([S, U32], [S, U32], "exit", 0, "field_byte_offset", 1, "0:1", "no operand that could take struct s.b"),
    ([S, U32], [S, U32], "mov64_x", 0, "field_byte_offset", 1, "0:1", "no operand that could take"),
    ([S, U32], [S, U32], "lddw_map", 4, "field_byte_offset", 1, "0:1", "no operand that could take"),
    (
        [S, U32],
        [S, U32],
        "mov64_k",
        4,
        "field_byte_offset",
        1,
        "0:2",
        "struct s has 2 members, and member 2 is asked for",
    ),
    ([S, U32], [S, U32], "mov64_k", 4, "field_byte_offset", 1, "0:1:0", "u32 has no members"),
    ([S, U32], [S, U32], "mov64_k", 4, "field_byte_offset", 1, "0:", "access string '0:' is not indexes"),
    ([S, U32], [S, U32], "mov64_k", 4, "field_byte_offset", 1, "-1", "access string '-1' is not indexes"),
    ([S, U32], [S, U32], "mov64_k", 4, "field_byte_offset", 1, ":".join("0" * 65), "65 indexes, and at most 64"),
    ([S, U32], [S, U32], "mov64_k", 4, "type_exists", 1, "0:0", "its access string is '0:0' in place of '0'"),
    ([S, U32], [S, U32], "mov64_k", 4, "enumval_value", 1, "0", "asks about struct s, which is no enum"),
    ([S, U32], [S, U32], "mov64_k", 4, "field_exists", 0, "0", "void"),
    ([S, U32], [S, U32], "mov64_k", 4, "type_exists", 7, "0", "there is no BTF type 7"),
    ([Ptr(0)], [U32], "mov64_k", 1, "type_exists", 1, "0", "a type without a name cannot be looked for"),
    ([Fwd("s")], [Fwd("s")], "mov64_k", 1, "type_size", 1, "0", "has no size"),
    (
        [Array(2, 2, 3), U32],
        [U32],
        "mov64_k",
        1,
        "field_signed",
        1,
        "0",
        "an element of an array, which has no field_signed",
    ),
]


@pytest.mark.parametrize(("local", "target", "name", "imm", "kind", "root", "access", "reason"), REFUSED)
def test_what_cannot_be_answered_is_named(
    local: list[Type], target: list[Type], name: str, imm: int, kind: str, root: int, access: str, reason: str
) -> None:
    one = insn(name, 1, 2) if name == "mov64_x" else insn(name, 1, imm=imm) if name != "exit" else insn("exit")
    with pytest.raises(LoadError) as caught:
        relocate(one_program(local, (one, kind, root, access)), Btf(target))
    assert str(caught.value).startswith(f"program p: instruction 0 ({name}): ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("one", "offset", "size", "reason"),
    [
        (insn("ldx32", 1, 2, 0), 40000, U32, "is 40000 bytes from the start, and the offset takes 32767 at most"),
        (insn("ldx16", 1, 2, 0), 4, U64, "it takes 2 bytes of struct s.a, which has 4"),
        (insn("ldx32", 1, 2, 0), 4, Int("u24", 3, 24), "has 3 bytes in the target, and no ldx32 takes as many"),
        (insn("mov64_k", 1), 1 << 31, U32, "gives 2147483648, and the immediate takes 32 bits"),
    ],
)
def test_answers_that_do_not_fit_are_named(one: Insn, offset: int, size: Type, reason: str) -> None:
    local: list[Type] = [Struct("s", 4, (Member("a", 2, 0),)), U32]
    target: list[Type] = [Struct("s", 8, (Member("a", 2, offset * 8),)), size]
    with pytest.raises(LoadError, match=reason):
        patched(one_program(local, (one, "field_byte_offset", 1, "0:0")), target)


def test_a_bit_field_that_no_load_holds_is_named() -> None:
    local: list[Type] = [Struct("s", 16, (Member("a", 2, 0, 3),)), U64]
    target: list[Type] = [Struct("s", 16, (Member("a", 2, 60, 8),)), U64]
    with pytest.raises(LoadError, match="a bit-field of 8 bits that no load of 8 bytes holds"):
        patched(one_program(local, (insn("mov64_k", 1), "field_byte_offset", 1, "0:0")), target)


def test_relocations_beside_instructions_are_refused() -> None:
    spec = one_program([S, U32], (insn("lddw", 1, imm=4), "field_byte_offset", 1, "0:1"))
    moved = ProgramSpec("p", "xdp", "xdp", spec.programs["p"].insns, core=(CoreReloc(1, "type_exists", 1, "0"),))
    with pytest.raises(LoadError, match="program p: a CO-RE relocation at slot 1, where no instruction starts"):
        relocate(ObjectSpec({"p": moved}, {}, spec.btf), Btf([S, U32]))
    with pytest.raises(LoadError, match="the object has no BTF"):
        relocate(ObjectSpec({"p": moved}, {}, None), Btf([S, U32]))
    big = BtfIndex(Bytes(btf_codec.encode(Btf([S, U32]), StringTable(), "big"), ".BTF", "big"))
    with pytest.raises(
        LoadError, match="a little-endian object cannot be adapted to the types of a big-endian machine"
    ):
        relocate(spec, big)


def test_modules_are_asked_only_for_what_the_kernel_lacks() -> None:
    asked: list[str] = []

    def modules() -> Iterator[Btf]:
        asked.append("opened")
        yield Btf([S, U32])
        yield Btf([U32, U32, S])

    spec = one_program([S, U32], (insn("mov64_k", 1, imm=4), "field_byte_offset", 1, "0:1"))
    assert relocate(spec, Btf([S, U32]), modules=modules).programs["p"].insns[0].imm == 4
    assert not asked
    assert relocate(spec, Btf([U32]), modules=modules).programs["p"].insns[0].imm == 4
    assert asked == ["opened"]


def test_candidates_without_the_field_are_out_for_what_follows() -> None:
    """As in libbpf: b tells which of the two types is meant, and a then has one answer."""
    asked = [
        (insn("mov64_k", 1, imm=4), "field_byte_offset", 1, "0:1"),
        (insn("mov64_k", 2), "field_byte_offset", 1, "0:0"),
    ]
    assert patched(one_program([S, U32], *asked), [T, U32, S]) == ["r1 = 4", "r2 = 0"]
    with pytest.raises(LoadError, match=r"instruction 0 .* several types of this name"):
        patched(one_program([S, U32], *reversed(asked)), [T, U32, S])


FIELDS = [
    (INT, U64, True),
    (U32, Int("old", 4, 5, 3), False),
    (Int("char", 1, 8, 0, True), S16, True),
    (INT, Float("f", 4), False),
    (Ptr(0), Ptr(1), True),
    (Ptr(0), U64, False),
    (Enum("e", 4, ()), Enum("e___x", 1, ()), True),
    (Enum("e", 4, ()), Enum("f", 4, ()), False),
    (Enum("e", 4, ()), Enum64("", 8, ()), True),
    (Enum("e", 4, ()), INT, False),
    (S, Union("u", 1, ()), True),
    (Fwd("s"), Fwd("t"), False),
    (Fwd("s"), S, False),
    (Array(2, 2, 1), Array(2, 2, 9), True),
    (Array(1, 1, 1), Array(2, 2, 1), False),
    (FuncProto(0, ()), FuncProto(0, ()), False),
    (Typedef("a", 2), U64, True),
    (U64, Const(2), True),
]


@pytest.mark.parametrize(("mine", "theirs", "is_one"), FIELDS)
def test_fields_are_compared_as_far_as_reading_needs(mine: Type, theirs: Type, is_one: bool) -> None:
    matcher = Matcher(Btf([mine, INT]), Btf([theirs, INT]))
    assert matcher.fields_compatible(1, 1) is is_one


TYPES = [
    # of the object, of the target (its type 2 is an int), compatible, match
    (INT, INT, True, True),
    (INT, U32, True, False),
    (INT, Int("int", 8, 64, 0, True), True, False),
    (INT, Int("int", 4, 32), True, False),
    (INT, Float("int", 4), False, False),
    (Float("f", 4), Float("f", 4), False, False),
    (S, Struct("s", 99, ()), True, False),
    (S, Union("s", 8, S.members), False, False),
    (T, Struct("s___x", 9, (Member("z", 2, 0), Member("a", 2, 0))), True, True),
    (T, Struct("s", 9, (Member("a", 1, 0),)), True, False),
    (Ptr(2), Ptr(2), True, True),
    (Ptr(2), Ptr(0), False, False),
    (Ptr(0), Ptr(0), True, True),
    (Array(2, 2, 3), Array(2, 2, 3), True, True),
    (Array(2, 2, 3), Array(2, 2, 4), True, False),
    (Enum("e", 4, (("A", 1),)), Enum("e", 4, (("B", 0), ("A___x", 7))), True, True),
    (Enum("e", 4, (("A", 1),)), Enum("e", 4, (("B", 0),)), True, False),
    (Enum("e", 4, (("A", 1),)), Enum("e", 8, (("A", 1),)), True, False),
    (Enum("e", 4, ()), Enum64("e", 4, ()), True, True),
    (Fwd("s"), Fwd("s", True), True, False),
    (Fwd("s"), S, False, False),
    (FuncProto(2, (("x", 2),)), FuncProto(2, (("y", 2),)), True, True),
    (FuncProto(2, (("x", 2),)), FuncProto(2, (("y", 0),)), False, False),
    (FuncProto(2, (("x", 2),)), FuncProto(2, ()), False, False),
    (FuncProto(2, ()), FuncProto(0, ()), False, False),
    (Typedef("t", 2), Typedef("t", 2), True, True),
    (Typedef("t", 2), INT, False, True),
]


@pytest.mark.parametrize(("mine", "theirs", "compatible", "match"), TYPES)
def test_whole_types_are_compatible_or_match(mine: Type, theirs: Type, compatible: bool, match: bool) -> None:
    matcher = Matcher(Btf([mine, INT]), Btf([theirs, INT]))
    assert (matcher.compatible(1, 1), matcher.match(1, 1)) == (compatible, match)


def test_behind_a_pointer_structs_match_by_name() -> None:
    cases: list[tuple[Type, Type, bool]] = [
        (S, Struct("s", 1, ()), True), (S, Fwd("s"), True), (Fwd("s"), S, True), (Fwd("s", True), S, False),
        (S, Union("s", 1, ()), False), (Fwd("s", True), Union("s", 1, ()), True), (S, Struct("t", 8, S.members), False),
        (S, INT, False),
    ]  # fmt: skip
    for mine, theirs, is_one in cases:
        assert Matcher(Btf([Ptr(3), INT, mine]), Btf([Ptr(3), INT, theirs])).match(1, 1) is is_one, (mine, theirs)


@pytest.mark.parametrize(
    "hostile",
    [
        [Struct("s", 8, (Member("", 1, 0), Member("", 1, 0)))],
        [Struct("s", 8, (Member("", 2, 0),) * 40), Union("", 8, (Member("", 1, 0),) * 40)],
        [
            Struct("s", 8, (Member("", 2, 0),) * 3),
            *(Struct("", 8, (Member("", at, 0),) * 3) for at in range(3, 60)),
            U32,
        ],
        [Typedef("s", 2), Typedef("t", 1)],
        [Typedef("s", 2), Array(1, 1, 1)],
        [Typedef("s", 2), Ptr(1)],
        [Typedef("s", 2), FuncProto(1, (("", 1),) * 9)],
        [Struct("s", 8, (Member("b", 1, 0), Member("a", 1, 0)))],
    ],
)
@pytest.mark.parametrize("kind", ["field_byte_offset", "field_exists", "type_exists", "type_matches", "type_size"])
def test_types_made_to_be_endless_end(hostile: list[Type], kind: str) -> None:
    begun = time.perf_counter()
    access = "0:0" if kind.startswith("field") else "0"
    own: list[Type] = [Struct("s", 8, (Member("a", 2, 0),)), U32]
    for local in (own, hostile):
        spec = one_program(local, (insn("lddw", 1, imm=1), kind, 1, access))
        with contextlib.suppress(LoadError):
            assert len(patched(spec, hostile)) in (1, 2)
    assert time.perf_counter() - begun < 20
