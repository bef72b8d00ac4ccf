"""Reading objects whole: programs with their lines and types, what stands beside them, and what no object may say."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import insn
from bpfvm.obj.btf import ext as btf_ext
from bpfvm.obj.btf.ext import CoreRecord
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewRelocation, build
from bpfvm.obj.model import CoreReloc, FunctionSpec, MapSpec
from bpfvm.obj.reader.object import parse_object, read_object
from tests.unit.obj.made import MAIN, OBJECTS, RETURN, built, data, debug, function, section, variable


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
    assert [one.name for one in mixed.functions] == ["mix", "fold", "add"]
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


def test_what_no_program_reaches_is_left_out() -> None:
    more = [section("freplace/x"), data(".rodata", b"abc", elf.ALLOC), section(".text")]
    spec = parse_object(built(more=more, symbols=[function("unused", ".text", binding=elf.LOCAL)]))
    assert {name: one.type for name, one in spec.programs.items()} == {"main": "xdp", "freplace/x": "ext"}
    assert (spec.license, spec.version, list(spec.maps), spec.skipped) == ("", 0, [".rodata"], ())


def test_programs_of_unknown_sections_are_of_no_type() -> None:
    spec = read_object(OBJECTS / "programs_old.o")
    found = {one.section: one.type for one in spec.programs.values()}
    assert len(found) == 11
    assert {section for section, type in found.items() if type == "unspec"} >= {"2/7", "2/17", "from-netdev"}
    assert (found["?xdp"], found["?tc"], found["xdp1"]) == ("xdp", "sched_cls", "xdp")


@pytest.mark.parametrize(
    ("license", "version", "wanted"),
    [
        (b"GPL\0", bytes((0, 1, 6, 0)), ("GPL", 0x60100)),
        (b"GPL", b"\1\0\0\0", ("GPL", 1)),
        (b"GPL\0v2\0", None, ("GPL", 0)),
        (b"G\xff", None, "section license: b'G\\xff' is not UTF-8"),
        (b"GPL", b"\1", "section version: 1 byte, wanted 4: a kernel version as one number"),
    ],
)
def test_license_and_version(license: bytes, version: bytes | None, wanted: tuple[str, int] | str) -> None:
    more = [data("license", license)] + ([data("version", version)] if version is not None else [])
    if isinstance(wanted, tuple):
        spec = parse_object(built(more=more))
        assert (spec.license, spec.version) == wanted
        return
    with pytest.raises(LoadError) as caught:
        parse_object(built(more=more))
    assert wanted in str(caught.value)


def test_the_version_of_an_object_of_either_byte_order() -> None:
    versions = {name: read_object(OBJECTS / name).version for name in ("maps_legacy.o", "maps_legacy_big.o")}
    assert versions == {"maps_legacy.o": 0x60100, "maps_legacy_big.o": 0x60100}


def test_two_programs_of_one_name_are_named() -> None:
    symbols = [replace(MAIN, section="xdp/b")]
    with pytest.raises(LoadError, match="section xdp/b: two programs are called main"):
        parse_object(built(more=[section("xdp/b")], symbols=symbols))


def with_core(*rows: CoreRecord, in_text: tuple[CoreRecord, ...] = ()) -> bytes:
    """A program that calls a function; CO-RE relocations in both."""
    more = [section(".text"), *debug(Btf([Int("int", 4, 32)]), btf_ext.Ext(core={"xdp": rows, ".text": in_text}))]
    code = [*RETURN, insn("lddw", 1), insn("call_local", imm=-1), *RETURN]
    callee = function("callee", ".text")
    return built(code, (32, elf.R_64_32, callee), more, [callee])


def test_relocations_of_types_follow_their_instructions() -> None:
    rows = (CoreRecord(16, 1, "0:1", "field_exists"), CoreRecord(8, 1, "0", "type_size"))
    spec = parse_object(with_core(*rows, in_text=(CoreRecord(0, 1, "0", "type_id_local"),)))
    assert spec.programs["main"].functions == (FunctionSpec("callee", 7),)
    assert spec.programs["main"].core == (
        CoreReloc(1, "type_size", 1, "0"),
        CoreReloc(2, "field_exists", 1, "0:1"),
        CoreReloc(7, "type_id_local", 1, "0"),
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (CoreRecord(24, 1, "0", "type_size"), "a CO-RE relocation (type_size) at slot 3, where no instruction starts"),
        (CoreRecord(4, 1, "0", "type_size"), "the CO-RE relocation type_size stands at xdp offset 0x4"),
        (CoreRecord(800, 1, "0", "type_size"), "the CO-RE relocation type_size stands at xdp offset 0x320"),
        (CoreRecord(0, 9, "0", "type_size"), "there is no BTF type 9: ids go from 1 to 1"),
    ],
)
def test_relocations_of_types_that_mean_nothing(row: CoreRecord, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_object(with_core(row))
    assert reason in str(caught.value)


def test_the_relocations_of_a_compiled_object() -> None:
    spec = read_object(OBJECTS / "core_fields.o")
    (program,) = spec.programs.values()
    kinds = {one.kind for one in program.core}
    assert {"field_byte_offset", "field_byte_size", "field_exists", "field_signed"} <= kinds
    assert [one.slot for one in program.core] == sorted(one.slot for one in program.core)


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
        ((58, b"\1"), "section headers of 1 byte, and they have 64"),
        ((60, b"\xff\xff"), "a table of 65535 (section headers) needs"),
        ((62, b"\x00\xff"), "section 65280 holds the names, and there are 4 sections"),
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


def test_a_large_object_reads_in_a_moment() -> None:
    """As large as Cilium's: 30 programs of 1,700 instructions that share functions and maps."""
    maps = data("maps", struct.pack("<5I", 1, 4, 8, 16, 0) * 40)
    named = [variable(f"m{number}", "maps", 20 * number, 20) for number in range(40)]
    body = [insn("lddw", 1), *[insn("ldx64", 2, 1, 8), insn("add64_x", 3, 2), insn("stx64", 10, 3, -8)] * 33]
    code = [*body * 17, insn("call_local", imm=-1), *RETURN]
    slots = 17 * 101 + 3
    shared = function("shared", ".text", 0, 17 * 101 + 2)
    sections, relocations = [section(".text", [*body * 17, *RETURN]), maps], {}
    symbols = [shared, *named]
    for number in range(30):
        name = f"xdp/{number}"
        sections.append(section(name, code))
        symbols.append(function(f"program_{number}", name, 0, slots))
        rows = [NewRelocation(808 * at, elf.R_64_64, named[(at + number) % 40]) for at in range(17)]
        relocations[name] = [*rows, NewRelocation(8 * 17 * 101, elf.R_64_32, shared)]
    file = build(sections, symbols, relocations, "little")
    started = time.process_time()
    spec = parse_object(file)
    seconds = time.process_time() - started
    total = sum(one.slot_count for one in spec.programs.values())
    print(f"{len(file)} bytes, {total} slots in {seconds:.2f} s")
    assert (len(spec.programs), len(spec.maps)) == (30, 40)
    assert total > 100_000
    assert seconds < 2


def test_an_empty_file_is_told_so() -> None:
    with pytest.raises(LoadError, match=r"^none\.o: not an ELF file: it is empty$"):
        parse_object(b"", "none.o")
