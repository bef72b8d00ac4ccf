"""Small objects that ask for much, each a way to be slow or large that was found once: an answer within the alarm."""

from __future__ import annotations

import struct

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import encode
from bpfvm.isa.insn import insn
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import DataSec, Int, Member, SecVar, Struct, Type, Union, Var
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewSection, NewSymbol, build
from bpfvm.obj.model import CoreReloc, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.writer.object import write_object
from tests.unit.obj.damage.run import alarm

CODE = (insn("mov64_k", 0, imm=1), insn("exit"))
WORD = Int("int", 4, 32)
DATA, MAPS = elf.ALLOC | elf.WRITE, "maps"


def file(section: NewSection, places: list[tuple[str, int, int]], types: list[Type] | None = None) -> bytes:
    """An object with one program and one section of data. places: name, offset and size of what stands there."""
    code = NewSection("xdp", elf.PROGBITS, encode(CODE), elf.ALLOC | elf.EXEC, 8)
    sections = [code, section]
    if types is not None:
        sections.append(NewSection(".BTF", elf.PROGBITS, btf_codec.encode(Btf(types), StringTable(), "little"), 0, 4))
    symbols = [NewSymbol("p", elf.FUNC, elf.GLOBAL, "xdp", 0, 16)]
    symbols += [NewSymbol(name, elf.OBJECT, elf.GLOBAL, section.name, at, size) for name, at, size in places]
    return build(sections, symbols, {}, "little")


def many_datasecs() -> bytes:
    """5000 descriptions of a section of 5000 variables."""
    count = 5000
    types: list[Type] = [WORD, *(Var(f"v{number}", 1) for number in range(count))]
    types += [DataSec(".data", 0, (SecVar(2 + number, 0, 4),)) for number in range(count)]
    places = [(f"v{number}", 4 * number, 4) for number in range(count)]
    return file(NewSection(".data", elf.PROGBITS, bytes(4 * count), DATA, 4), places, types)


def maps_in_maps() -> bytes:
    """2000 old maps of maps, each of which holds the same 2000 maps."""
    count = 4000
    rows = ((12, 4, 4, 1, 0, 1, 0, int(number < count // 2), number) for number in range(count))
    places = [(f"m{number}", 36 * number, 36) for number in range(count)]
    return file(NewSection(MAPS, elf.PROGBITS, b"".join(struct.pack("<9I", *row) for row in rows), DATA, 4), places)


def test_many_descriptions_of_one_section() -> None:
    data = many_datasecs()
    with alarm():
        write_object(parse_object(data))


def flavoured() -> bytes:
    """4000 old maps and as many types, whose names differ only in what CO-RE leaves out of a name."""
    count = 4000
    types: list[Type] = [WORD, *(Struct(f"____btf_map_m___{number}", 4, ()) for number in range(count))]
    data = struct.pack("<5I", 2, 4, 4, 1, 0) * count
    places = [(f"m___{number}", 20 * number, 20) for number in range(count)]
    return file(NewSection(MAPS, elf.PROGBITS, data, DATA, 4), places, types)


def test_many_flavours_of_one_name() -> None:
    data = flavoured()
    with alarm():
        parse_object(data)


def test_many_maps_in_many_maps() -> None:
    data = maps_in_maps()
    with alarm(), pytest.raises(LoadError, match="more than 65536 maps stand in others"):
        parse_object(data)


def nest(last: str) -> Btf:
    """A struct with unnamed unions in it, 50 deep; each level holds the next one twice. The innermost has `last`."""
    btf = Btf([WORD])
    inner = btf.add_struct("", 4, [(last, 1, 0)])
    for level in range(50):
        unnamed = Member("", inner, 0)
        inner = btf.add(Union("", 4, (unnamed, unnamed, Member(f"other{level}", 1, 0))))
    btf.add_struct("root", 4, [("", inner, 0)])
    return btf


def asking(types: list[Type], asked: list[int]) -> ObjectSpec:
    """A program that asks whether the first member of each of the structs `asked` exists."""
    code = (*[insn("mov64_k", 0, imm=1)] * len(asked), insn("exit"))
    core = tuple(CoreReloc(slot, "field_exists", kind, "0:0") for slot, kind in enumerate(asked))
    return ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", code, core=core)}, {}, Btf(types))


def test_a_member_that_is_reached_in_many_ways_is_found_or_not() -> None:
    spec = asking([WORD, Struct("root", 4, (Member("wanted", 1, 0),))], [2])
    for last, found in (("wanted", 1), ("another", 0)):
        with alarm():
            assert relocate(spec, nest(last)).programs["p"].insns[0].imm == found


def test_many_relocations_to_many_candidates_end() -> None:
    flavours: list[Type] = [Struct(f"s___{number}", 4, (Member("wanted", 1, 0),)) for number in range(2000)]
    wide = Struct("s", 4, tuple(Member(f"m{number}", 1, 0) for number in range(1000)))
    with alarm(), pytest.raises(LoadError, match="takes more than 200000 steps"):
        relocate(asking([WORD, *flavours], list(range(2, 2002))), Btf([WORD, *[wide] * 300]))


def old_maps(places: tuple[int, int]) -> ObjectSpec:
    """Two old maps, whose BTF puts them at these offsets."""
    names = ("first", "second")
    types: list[Type] = [WORD, *(Var(name, 1) for name in names)]
    types.append(DataSec(MAPS, 1 << 31, tuple(SecVar(2 + number, at, 20) for number, at in enumerate(places))))
    maps = {name: MapSpec(name, "array", 4, 8, 1, section=MAPS) for name in names}
    return ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", CODE)}, maps, Btf(types))


@pytest.mark.parametrize(
    ("places", "reason"),
    [((0, 0), "maps first and second the same bytes at 0x0"), ((0, 1 << 30), "puts it at 0x40000000 of section maps")],
)
def test_old_maps_have_places_of_their_own(places: tuple[int, int], reason: str) -> None:
    with alarm(), pytest.raises(LoadError, match=reason):
        write_object(old_maps(places))


def test_variables_for_other_tools_are_not_lost_in_silence() -> None:
    types: list[Type] = [WORD, Var("version", 1), DataSec("xdp_metadata", 0, (SecVar(2, 0, 4),))]
    spec = parse_object(file(NewSection("xdp_metadata", elf.PROGBITS, bytes(4), DATA, 4), [("version", 0, 4)], types))
    assert spec.skipped == ("section xdp_metadata: variables for other tools, which no loader makes a map of",)
    assert not spec.maps
    with pytest.raises(LoadError, match="cannot be written whole: section xdp_metadata"):
        write_object(spec)


def test_a_section_without_a_name_is_not_written() -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "", "unspec", CODE)}, {})
    with pytest.raises(LoadError, match="program p: its section has no name"):
        write_object(spec)
