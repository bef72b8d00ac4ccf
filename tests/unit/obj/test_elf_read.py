"""Reading objects: what clang makes, and what no object may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.codec import encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj import btf_codec, btf_ext, elf, mapdefs
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_types import DataSec, Int, Member, SecVar, Struct, Var
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.elf_read import parse_object, read_object
from bpfvm.obj.model import FunctionSpec, MapSpec

OBJECTS = Path(__file__).resolve().parents[2] / "objects"
CODE = elf.ALLOC | elf.EXEC
RETURN = [insn("mov64_k", 0, imm=2), insn("exit")]
MAIN = elf.NewSymbol("main", elf.FUNC, elf.GLOBAL, "xdp", 0, 16)


def section(name: str, code: list[Insn] = RETURN, flags: int = CODE) -> elf.NewSection:
    return elf.NewSection(name, elf.PROGBITS, encode(code), flags, 8)


def built(
    code: list[Insn] = RETURN,
    relocation: tuple[int, int, elf.NewSymbol] | None = None,
    more: list[elf.NewSection] | None = None,
    symbols: list[elf.NewSymbol] | None = None,
) -> bytes:
    """An object of one program with this code; relocation: offset, type, symbol."""
    main = replace(MAIN, size=len(encode(code)))
    known = [main, *(symbols or [])]
    relocations = {}
    if relocation is not None:
        known += [relocation[2]] if relocation[2] not in known else []
        relocations = {"xdp": [elf.NewRelocation(*relocation)]}
    return elf.build([section("xdp", code), *(more or [])], known, relocations, "little")


def debug(btf: Btf, ext: btf_ext.Ext | None = None) -> list[elf.NewSection]:
    strings = StringTable()
    beside = btf_ext.encode(ext or btf_ext.Ext(), strings, "little")
    types = btf_codec.encode(btf, strings, "little")
    return [elf.NewSection(".BTF", elf.PROGBITS, types), elf.NewSection(".BTF.ext", elf.PROGBITS, beside)]


@pytest.mark.parametrize(("name", "endian"), [("xdp_count.o", "little"), ("xdp_count_big.o", "big")])
def test_the_counter(name: str, endian: str) -> None:
    spec = read_object(OBJECTS / name)
    assert spec.btf is not None
    hits = spec.maps["hits"]
    assert replace(hits, key_type=0, value_type=0) == MapSpec("hits", "array", 4, 8, 256)
    assert (spec.btf.name_of(hits.key_type), spec.btf.name_of(hits.value_type)) == ("__u32", "__u64")
    assert (spec.license, spec.endian, spec.skipped) == ("Dual MIT/GPL", endian, ())
    count = spec.programs["count"]
    assert (count.name, count.section, count.type, count.functions) == ("count", "xdp", "xdp", ())
    assert count.map_names == ("hits",)
    assert count.insns[-1].op.name == "exit"
    text = spec.sources[("./xdp_count.c", 23)]
    assert text == "\t__u64 *value = bpf_map_lookup_elem(&hits, &proto);"
    lookup = next(slot for slot, place in count.lines.items() if place.line == 23)
    assert count.source_of(lookup) == Location("./xdp_count.c", 23, 17)
    assert list(count.lines) == sorted(count.lines)


def test_programs_of_several_sections_share_a_map() -> None:
    spec = read_object(OBJECTS / "xdp_two.o")
    found = {one.name: (one.section, one.map_names) for one in spec.programs.values()}
    assert found == {
        "first": ("xdp", ("runs",)),
        "beside_first": ("xdp", ("runs",)),
        "second": ("xdp/second", ("runs",)),
    }
    assert spec.maps["runs"].max_entries == 3


@pytest.mark.parametrize("name", ["xdp_calls.o", "xdp_calls_v1.o", "xdp_calls_v2.o", "xdp_calls_v4.o"])
def test_called_functions_stand_behind_their_program(name: str) -> None:
    spec = read_object(OBJECTS / name)
    length, mixed = spec.programs["length"], spec.programs["mixed"]
    assert [(one.name, one.is_static) for one in length.functions] == [("add", False), ("mix", True), ("fold", True)]
    assert [one.name for one in mixed.functions] == ["mix", "add", "fold"]
    for program in (length, mixed):
        starts = {one.slot: one.name for one in program.functions}
        slot = 0
        for one in program.insns:
            if one.op.name == "call_local":
                assert starts[slot + 1 + one.imm] == one.symbol
            slot += one.width
        assert program.source_of(program.functions[0].slot) is not None
    assert isinstance(length.functions[0], FunctionSpec)


def test_maps_told_by_size() -> None:
    spec = read_object(OBJECTS / "xdp_actions.o")
    assert spec.maps["last_source"] == MapSpec("last_source", "array", 4, 6, 1, flags=8)
    assert spec.maps["by_family"].value_size == 48


def test_what_no_program_needs_is_left_out_and_named() -> None:
    more = [section("freplace/x"), elf.NewSection(".rodata", elf.PROGBITS, b"abc", elf.ALLOC), section(".text")]
    unused = elf.NewSymbol("unused", elf.FUNC, elf.LOCAL, ".text", 0, 16)
    spec = parse_object(built(more=more, symbols=[unused]))
    assert list(spec.programs) == ["main"]
    assert spec.license == ""
    assert spec.skipped == (
        "section freplace/x: no program type that this version knows has this section name",
        "section .rodata: data of programs is not read in this version",
        "function unused in section .text: no program calls it",
    )


LDDW = [insn("lddw", 1), *RETURN]
CALL = [insn("call_local", imm=-1), *RETURN]
OTHER = elf.NewSymbol("other", elf.OBJECT, elf.GLOBAL, "xdp")
RODATA = [elf.NewSection(".rodata", elf.PROGBITS, b"abc", elf.ALLOC)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (built(LDDW, (0, elf.R_64_64, elf.NewSymbol("", elf.SECTION, elf.LOCAL, ".rodata")), RODATA),
         "function main in section xdp: instruction 0 refers to .rodata in section .rodata, not read in this version"),
        (built(LDDW, (0, elf.R_64_64, elf.NewSymbol("jiffies", elf.NOTYPE, elf.GLOBAL, ""))),
         "instruction 0 refers to the extern symbol jiffies, not resolved in this version"),
        (built(CALL, (0, elf.R_64_32, elf.NewSymbol("bpf_rcu", elf.NOTYPE, elf.GLOBAL, ""))),
         "refers to the extern symbol bpf_rcu"),
        (built(LDDW, (0, elf.R_64_ABS64, OTHER)), "instruction 0 (lddw) has R_BPF_64_ABS64 to other"),
        (built(LDDW, (0, 99, OTHER)), "instruction 0 (lddw) has relocation type 99 to other"),
        (built(LDDW, (8, elf.R_64_64, OTHER)), "a relocation at slot 1, where no instruction starts"),
        (built(RETURN, (4, elf.R_64_64, MAIN)), "R_BPF_64_64 is not the one relocation of an instruction"),
        (built([insn("lddw_map", 1, imm=3), *RETURN]), "(lddw_map) names something by number and has no relocation"),
        (built([insn("call_local", imm=0), *RETURN]), "function main: instruction 0 calls slot 1, where no function"),
        (built(more=[section("xdp/b")]), "section xdp/b: functions cover 0 of its 16 bytes of code"),
        (built(symbols=[replace(MAIN, name="b", value=8, size=8)]),
         "function b has 8 bytes at 0x8, wanted whole instructions at 0x10"),
        (built(more=[section("xdp/b")], symbols=[replace(MAIN, section="xdp/b")]), "two programs are called main"),
        (built(more=[elf.NewSection("license", elf.PROGBITS, b"GPL", elf.ALLOC)]),
         "section license: offset 0x0: no string ends here"),
        (built(more=[elf.NewSection(".maps", elf.PROGBITS, bytes(8), elf.ALLOC)]),
         "section .maps: maps are declared by .BTF, which is missing; compile with -g"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_object(data, "prog.o")
    assert str(caught.value).startswith("prog.o: ")
    assert reason in str(caught.value)


def declared(member: str, count: int, size: int = 8) -> Btf:
    """A map whose one attribute beside the type is this."""
    btf = Btf()
    number = btf.add(Int("int", 4, 32, is_signed=True))
    members = tuple(
        Member(name, btf.add_ptr(btf.add_array(number, value)), 64 * at)
        for at, (name, value) in enumerate((("type", 2), (member, count)))
    )
    var = btf.add(Var("m", btf.add(Struct("", 16, members))))
    btf.add(DataSec(mapdefs.SECTION, 0, (SecVar(var, 0, size),)))
    return btf


@pytest.mark.parametrize(
    ("member", "count", "reason"),
    [
        ("pinning", 1, "map m: attribute 'pinning' is not read in this version"),
        ("type", 4711, "map m: map type 4711 is not known to this version; known: 2 (array)"),
        ("key", 1, None),
    ],
)
def test_attributes_of_maps(member: str, count: int, reason: str | None) -> None:
    maps = elf.NewSection(mapdefs.SECTION, elf.PROGBITS, bytes(16), elf.ALLOC)
    symbol = elf.NewSymbol("m", elf.OBJECT, elf.GLOBAL, mapdefs.SECTION, 0, 16)
    data = built(more=[maps, *debug(declared(member, count))], symbols=[symbol])
    if reason is None:
        assert parse_object(data).maps["m"].key_size == 4
        return
    with pytest.raises(LoadError) as caught:
        parse_object(data)
    assert reason in str(caught.value)


def test_a_map_without_symbol_or_declaration_is_named() -> None:
    maps = elf.NewSection(mapdefs.SECTION, elf.PROGBITS, bytes(16), elf.ALLOC)
    symbol = elf.NewSymbol("other", elf.OBJECT, elf.GLOBAL, mapdefs.SECTION, 0, 16)
    for symbols, reason in (
        ([], "map m is declared by .BTF and has no symbol"),
        ([symbol], "symbol 'other' is not declared"),
    ):
        with pytest.raises(LoadError, match=reason):
            parse_object(built(more=[maps, *debug(declared("key_size", 4))], symbols=symbols))


def test_core_relocations_are_named() -> None:
    strings = StringTable()
    record = [16, strings.add("xdp"), 1, 8, 1, 0, 0]
    head = [0xEB9F | 1 << 16, 32, 0, 0, 0, 0, 0, len(record) * 4]
    ext = b"".join(number.to_bytes(4, "little") for number in (*head, *record))
    types = btf_codec.encode(Btf([Int("int", 4, 32)]), strings, "little")
    more = [elf.NewSection(".BTF", elf.PROGBITS, types), elf.NewSection(".BTF.ext", elf.PROGBITS, ext)]
    with pytest.raises(LoadError, match="instruction 1: CO-RE relocations are not read in this version"):
        parse_object(built(more=more))


def test_lines_between_instructions_are_named() -> None:
    ext = btf_ext.Ext({}, {"xdp": [btf_ext.LineInfo(4, "a.c", "", 7, 0)]})
    with pytest.raises(LoadError, match=r"line 7 of a\.c stands at xdp offset 0x4"):
        parse_object(built(more=debug(Btf(), ext)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((0, b"GIF8"), "not an ELF file: it begins with b'GIF8'"),
        ((4, b"\1"), "class 1 is not 64-bit (2)"),
        ((5, b"\3"), "byte order 3 is neither little (1) nor big (2)"),
        ((16, b"\2"), "file type 2 is not a relocatable object (1)"),
        ((18, b"\x3e\0"), "machine 62 is not BPF (247)"),
        ((40, b"\xff" * 7), "needs 256 bytes, and 0 are left"),
        ((58, b"\1"), "section headers of 1 bytes, and they have 64"),
        ((60, b"\xff\xff"), "a table of 65535 (section headers) needs"),
        ((62, b"\xff\xff"), "section 65535 holds the names, and there are 4 sections"),
    ],
)
def test_damage_of_the_header_is_named(change: tuple[int, bytes], reason: str) -> None:
    data = bytearray(built())
    data[change[0] : change[0] + len(change[1])] = change[1]
    with pytest.raises(LoadError) as caught:
        parse_object(bytes(data), "odd\nname")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("odd\\nname: ")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.o", "a\0b"):
        with pytest.raises(LoadError):
            read_object(path)
