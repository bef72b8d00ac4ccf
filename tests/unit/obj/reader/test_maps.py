"""Maps as files declare them: by BTF, by structs of numbers of many sizes, and as sections of data."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import DataSec, Enum, Enum64, Member, SecVar, Struct, Var
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf import mapdefs
from bpfvm.obj.elf.build import NewRelocation, NewSection, NewSymbol
from bpfvm.obj.elf.datasec import placed
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.reader.data_maps import MAX_DATA
from bpfvm.obj.reader.object import parse_object, read_object
from tests.unit.obj.made import (
    DATA,
    LDDW,
    OBJECTS,
    built,
    data,
    debug,
    header_of,
    of_section,
    patched,
    section,
    undefined,
    variable,
)


def typed(spec: ObjectSpec, one: MapSpec) -> tuple[MapSpec, str, str]:
    """The map without its type ids, and the names of the types."""
    assert spec.btf is not None
    names = (spec.btf.name_of(one.key_type), spec.btf.name_of(one.value_type))
    return replace(one, key_type=0, value_type=0), *names


@pytest.mark.parametrize("name", ["maps_attributes.o", "maps_attributes_gcc.o"])
def test_every_attribute(name: str) -> None:
    spec = read_object(OBJECTS / name)
    shared = MapSpec("shared", "hash", 4, 16, 1024, flags=5, numa_node=1, pin="by_name")
    assert {name: typed(spec, one) for name, one in spec.maps.items()} == {
        "shared": (shared, "u32", "totals_t"),
        "seen": (MapSpec("seen", "bloom_filter", 0, 8, 1000, extra=3), "void", "void"),
        "routes": (MapSpec("routes", "lpm_trie", 8, 4, 16, flags=1), "struct key", "u32"),
        "anonymous": (MapSpec("anonymous", "array", 4, 8, 3), "void", "struct (anonymous)"),
    }


@pytest.mark.parametrize("name", ["maps_inner.o", "maps_inner_big.o", "maps_inner_gcc.o"])
def test_maps_of_maps(name: str) -> None:
    spec = read_object(OBJECTS / name)
    assert spec.btf is not None
    by_number, by_name, empty = (spec.maps[name] for name in ("by_number", "by_name", "empty"))
    red = spec.maps["red"]
    assert (by_number.type, by_number.value_size, by_number.contents) == (
        "array_of_maps", 4, ((0, "red"), (3, "green")),
    )  # fmt: skip
    assert by_number.inner == replace(red, name="by_number.inner")
    assert (by_name.type, by_name.value_size, by_name.contents) == ("hash_of_maps", 4, ((0, "green"), (1, "red")))
    assert by_name.inner == replace(red, name="by_name.inner")
    assert (empty.contents, empty.inner) == ((), MapSpec("empty.inner", "hash", 8, 2, 4))


def test_arrays_of_programs() -> None:
    spec = read_object(OBJECTS / "maps_programs.o")
    assert spec.maps["started"].contents == ((1, "leaf"), (3, "other_leaf"))
    assert spec.maps["empty"].contents == ()
    assert {one.value_size for one in spec.maps.values()} == {4}


# .maps of one map, by hand


def attributes(*members: tuple[str, int | str], others: Sequence[tuple[str, int]] = ()) -> Btf:
    """A map `m` with these numbers; a word stands for a type: "int", "map" (a pointer to a map in an array) …"""
    btf = Btf()
    number = btf.add_int("int", 4, is_signed=True)
    inner = btf.add(Struct("inner", 8, (Member("type", btf.add_ptr(btf.add_array(number, 2)), 0),)))
    function = btf.add_ptr(btf.add_func_proto(number))
    kinds = {
        "int": number,
        "pointer": btf.add_ptr(number),
        "map": btf.add_array(btf.add_ptr(inner), 0),
        "function": btf.add_array(function, 0),
        "wide": btf.add(Enum64("", 8, (("a", 1 << 44),))),
        "narrow": btf.add(Enum("", 4, (("b", 7),))),
        "two": btf.add(Enum("", 4, (("c", 7), ("d", 8)))),
        "void": btf.add_ptr(0),
    }
    rows = [
        Member(name, kinds[kind] if isinstance(kind, str) else btf.add_ptr(btf.add_array(number, kind)), 64 * at)
        for at, (name, kind) in enumerate((*members, *others))
    ]
    var = btf.add(Var("m", btf.add(Struct("", 8 * len(rows), tuple(rows)))))
    btf.add(DataSec(mapdefs.SECTION, 0, (SecVar(var, 0, 64),)))
    return btf


def one_map(btf: Btf) -> MapSpec:
    symbol = variable("m", mapdefs.SECTION, 0, 64)
    return parse_object(built(more=[data(mapdefs.SECTION, bytes(64)), *debug(btf)], symbols=[symbol])).maps["m"]


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ([("type", 2), ("key", "pointer")], MapSpec("m", "array", 4, 0, 0, key_type=1)),
        ([("type", 2), ("map_extra", "wide")], MapSpec("m", "array", 0, 0, 0, extra=1 << 44)),
        ([("type", 2), ("map_flags", "narrow")], MapSpec("m", "array", 0, 0, 0, flags=7)),
        ([("type", 3), ("values", "function")], MapSpec("m", "prog_array", 0, 4, 0)),
        ([("type", 12), ("values", "map")],
         MapSpec("m", "array_of_maps", 0, 4, 0, inner=MapSpec("m.inner", "array", 0, 0, 0))),
    ],
)  # fmt: skip
def test_attributes_by_hand(members: list[tuple[str, int | str]], wanted: MapSpec) -> None:
    assert one_map(attributes(*members)) == wanted


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("type", 4711)], "map m: map type 4711 is not known to this version"),
        ([("type", 2), ("colour", 1)], "map m: attribute 'colour' is not known to this version"),
        ([("type", 2), ("pinning", 2)], "map m: pinning is 2; known are 0 (none) and 1 (by name)"),
        ([("type", "int")], "map m: member 'type' is int, not a pointer to an array"),
        ([("type", "two")], "map m: member 'type' is enum (anonymous), not a pointer to an array"),
        ([("type", "pointer")], "map m: type points to int, not to an array"),
        ([("type", 2), ("key", "int")], "map m: member 'key' is int, not a pointer"),
        ([("type", 2), ("key", "pointer"), ("key_size", 8)], "map m: key_size is 8, and int has 4 bytes"),
        ([("type", 2), ("max_entries", "wide")], "map m: max_entries is 17592186044416, and holds 32 bits"),
        ([("type", 2), ("values", "map")], "map m: values: array maps hold neither maps nor programs"),
        ([("type", 12), ("values", "function")], "not an array of pointers to map definitions"),
        ([("type", 3), ("values", "map")], "not an array of pointers to functions"),
        ([("type", 12), ("values", "pointer")], "not an array of pointers to map definitions"),
        ([("type", 12), ("value_size", 8), ("values", "map")], "map m: values: value_size is 8, and maps and programs"),
    ],
)  # fmt: skip
def test_attributes_that_mean_nothing(members: list[tuple[str, int | str]], reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        one_map(attributes(*members))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("relocation", "reason"),
    [
        ((8, elf.R_64_ABS64, of_section(".maps")), None),
        ((16, elf.R_64_64, variable("m", ".maps", 0, 64)), None),
        ((0, elf.R_64_ABS64, of_section(".maps")), "a relocation at byte 0x0 of its definition, where no value is"),
        ((12, elf.R_64_ABS64, of_section(".maps")), "a relocation at byte 0xc of its definition, where no value is"),
        (
            (8, elf.R_64_ABS32, of_section(".maps")),
            "map m: R_BPF_64_ABS32 to section .maps in its definition has no meaning",
        ),
        ((8, elf.R_64_ABS64, undefined("far")), "map m: its values name far, which is no map of this object"),
        ((8, elf.R_64_ABS64, of_section("xdp")), "which is no map of this object"),
        ((64, elf.R_64_ABS64, of_section(".maps")), "offset 0x40: a pointer needs 8 bytes, and 0 are left"),
    ],
)
def test_what_stands_in_a_map_at_load(relocation: tuple[int, int, NewSymbol], reason: str | None) -> None:
    more = [data(".maps", bytes(64)), *debug(attributes(("type", 12), ("values", "map")))]
    rows = {".maps": [NewRelocation(*relocation)]}
    file = built(more=more, symbols=[variable("m", ".maps", 0, 64), of_section("xdp")], relocations=rows)
    if reason is None:
        assert parse_object(file).maps["m"].contents == (((relocation[0] - 8) // 8, "m"),)
        return
    with pytest.raises(LoadError) as caught:
        parse_object(file)
    assert reason in str(caught.value)


def test_a_map_without_a_place_is_named() -> None:
    more = [data(".maps", bytes(64)), *debug(attributes(("type", 2)))]
    with pytest.raises(LoadError, match=r"map m is declared by \.BTF and has no symbol"):
        parse_object(built(more=more))
    with pytest.raises(LoadError, match="map m at 0x40 has no place of its own"):
        parse_object(built(more=more, symbols=[variable("m", ".maps", 64, 8)]))
    with pytest.raises(
        LoadError, match=r"section \.maps: maps are declared by \.BTF, which is missing; compile with -g"
    ):
        parse_object(built(more=more[:1]))


# Sections "maps"

HITS = (2, 4, 8, 256, 0)
HASH = (1, 2, 16, 64, 1)
OUTER = (12, 4, 4, 5, 0)


def legacy(
    *definitions: Sequence[int], name: str = "maps", size: int = 0, symbols: Sequence[NewSymbol] | None = None
) -> ObjectSpec:
    """The object with these definitions, of `size` bytes each where that is more than the numbers take."""
    rows = [struct.pack(f"<{len(one)}I", *one).ljust(size, b"\0") for one in definitions]
    places = [sum(map(len, rows[:number])) for number in range(len(rows))]
    if symbols is None:
        symbols = [
            variable(f"m{number}", name, at, len(row))
            for number, (at, row) in enumerate(zip(places, rows, strict=True))
        ]
    return parse_object(built(more=[data(name, b"".join(rows))], symbols=symbols))


def m(number: int, type: str, *rest: int, **fields: object) -> MapSpec:
    key, value, entries, flags = rest
    return replace(MapSpec(f"m{number}", type, key, value, entries, flags, section="maps"), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("definitions", "size", "wanted"),
    [
        ([HITS[:4], HASH[:4]], 0, [m(0, "array", 4, 8, 256, 0), m(1, "hash", 2, 16, 64, 0)]),
        ([HITS, HASH], 0, [m(0, "array", 4, 8, 256, 0), m(1, "hash", 2, 16, 64, 1)]),
        ([HITS, HASH], 28, [m(0, "array", 4, 8, 256, 0), m(1, "hash", 2, 16, 64, 1)]),
        ([HITS, HASH], 36, [m(0, "array", 4, 8, 256, 0), m(1, "hash", 2, 16, 64, 1)]),
        ([HITS, HASH], 48, [m(0, "array", 4, 8, 256, 0), m(1, "hash", 2, 16, 64, 1)]),
        ([(2, 4, 8, 256, 4, 0, 3)], 0, [m(0, "array", 4, 8, 256, 4, numa_node=3)]),
        ([(2, 4, 8, 256, 0, 9, 2)], 0, [m(0, "array", 4, 8, 256, 0, pin="by_name")]),
        ([(2, 4, 8, 256, 0, 2)], 280, [m(0, "array", 4, 8, 256, 0, pin="by_name")]),
        ([(2, 4, 8, 256, 0, 0, 2, 0, 0)], 0, [m(0, "array", 4, 8, 256, 0, pin="by_name")]),
        ([HITS, (*OUTER, 0)], 24, [m(0, "array", 4, 8, 256, 0), m(1, "array_of_maps", 4, 4, 5, 0)]),
        ([(*HITS, 0, 0), (*OUTER, 0, 0), (*OUTER, 1, 0)], 0,
         [m(0, "array", 4, 8, 256, 0), m(1, "array_of_maps", 4, 4, 5, 0),
          m(2, "array_of_maps", 4, 4, 5, 0, inner=m(2, "array_of_maps", 4, 4, 5, 0, name="m2.inner"))]),
        ([(*HITS, 42, 2, 0, 3), (*OUTER, 7, 2, 42, 0)], 0,
         [m(0, "array", 4, 8, 256, 0, pin="by_name"),
          m(1, "array_of_maps", 4, 4, 5, 0, pin="by_name", contents=((3, "m0"),),
            inner=m(1, "array", 4, 8, 256, 0, name="m1.inner"))]),
        ([(*HITS, 42, 0, 0, 0xFFFF_FFFF), (*OUTER, 0, 0, 42, 0)], 0,
         [m(0, "array", 4, 8, 256, 0),
          m(1, "array_of_maps", 4, 4, 5, 0, inner=m(1, "array", 4, 8, 256, 0, name="m1.inner"))]),
    ],
)  # fmt: skip
def test_definitions_of_every_size(definitions: list[tuple[int, ...]], size: int, wanted: list[MapSpec]) -> None:
    spec = legacy(*definitions, size=size)
    assert list(spec.maps.values()) == wanted
    assert spec.skipped == ()


def test_bytes_of_unknown_meaning_are_noted() -> None:
    spec = legacy((*HITS, 0, 0, 0, 0, 0, 5))
    assert spec.maps["m0"].max_entries == 256
    assert spec.skipped == ("map m0: bytes 20 to 44 of its definition are not 0, and their meaning is not known",)


@pytest.mark.parametrize("size", [0, 20, 999])
def test_the_distance_tells_a_size_that_symbols_do_not(size: int) -> None:
    symbols = [NewSymbol(name, type, elf.GLOBAL, "maps", at, size)
               for name, at, type in (("a", 0, elf.NOTYPE), ("b", 20, elf.OBJECT))]  # fmt: skip
    spec = legacy(HITS, HASH, symbols=[*symbols, of_section("maps")])
    assert [(one.name, one.type) for one in spec.maps.values()] == [("a", "array"), ("b", "hash")]


def test_a_section_for_each_map() -> None:
    spec = legacy(HITS, name="maps/hits", symbols=[])
    assert spec.maps == {"hits": MapSpec("hits", "array", 4, 8, 256, section="maps/hits")}
    assert legacy(HITS, name="lirc_mode2/maps").maps["m0"].section == "lirc_mode2/maps"


def test_programs_by_the_names_of_their_sections() -> None:
    spec = read_object(OBJECTS / "maps_iproute2.o")
    assert spec.maps["jumps"].contents == ((1, "tail"),)
    assert spec.programs["tail"].type == "unspec"


def test_types_that_old_objects_annotate() -> None:
    btf = Btf()
    number = btf.add_int("int", 4)
    wide = btf.add_int("long", 8)
    btf.add_struct("____btf_map_m0", 16, [("key", number, 0), ("value", wide, 8)])
    btf.add_struct("____btf_map_m1", 16, [("key", number, 0), ("value", wide, 8)])
    rows = b"".join(struct.pack("<5I", *one) for one in (HITS, HASH))
    symbols = [variable("m0", "maps", 0, 20), variable("m1", "maps", 20, 20)]
    spec = parse_object(built(more=[data("maps", rows), *debug(btf)], symbols=symbols))
    assert [(one.key_type, one.value_type) for one in spec.maps.values()] == [(number, wide), (0, 0)]


@pytest.mark.parametrize(
    ("definitions", "symbols", "reason"),
    [
        ([(99, 4, 8, 1, 0)], None, "map m0: map type 99 is not known to this version"),
        ([HITS[:3]], None, "section maps: map m0 at 0x0 has 12 bytes, wanted 16 to 4096"),
        ([HITS, HITS], [variable("a", "maps", at, 20) for at in (0, 20)], "two maps are called a"),
        ([HITS * 250], None, "map m0 at 0x0 has 5000 bytes, wanted 16 to 4096"),
    ],
)
def test_definitions_that_mean_nothing(
    definitions: list[tuple[int, ...]], symbols: list[NewSymbol] | None, reason: str
) -> None:
    with pytest.raises(LoadError) as caught:
        legacy(*definitions, symbols=symbols)
    assert reason in str(caught.value)


# Sections of data


@pytest.mark.parametrize("name", ["data_custom.o", "data_mixed.o", "data_mixed_nobtf.o", "data_strings.o"])
def test_data_is_a_map_of_one_value(name: str) -> None:
    spec = read_object(OBJECTS / name)
    sections = {one.name: one for one in elf.Elf((OBJECTS / name).read_bytes()).sections}
    compared = 0
    for one in spec.maps.values():
        assert (one.type, one.key_size, one.max_entries, one.key_type) == ("array", 4, 1, 0)
        content = bytes(sections[one.name].data.data) or bytes(sections[one.name].size)
        assert (one.initial, one.value_size, one.section) == (content, len(content), one.name)
        assert one.flags == (0x480 if one.name.startswith(".rodata") else 0x400)
        compared += 1
    assert compared >= 2


def test_types_of_data_are_those_of_the_section_with_its_places() -> None:
    spec = read_object(OBJECTS / "data_custom.o")
    assert spec.btf is not None
    found = {one.name: [(var.name, var.offset) for var in placed(spec.btf, one.name, one.value_size)]
             for one in spec.maps.values()}  # fmt: skip
    assert found == {
        ".rodata.limits": [("low", 0), ("high", 4)],
        ".data.counters": [("counters", 0)],
        ".data": [("plain", 0)],
        ".bss.scratch": [("scratch", 0), ("quiet", 8)],
        ".bss": [("empty", 0)],
    }
    assert all(isinstance(spec.btf[one.value_type], DataSec) for one in spec.maps.values())


def test_pointers_in_data_are_noted() -> None:
    spec = read_object(OBJECTS / "refused" / "data_pointers.o")
    assert spec.skipped == (
        "section .data: the pointer at offset 0x8 (to target) and 2 more: no loader fills in addresses in data; they "
        "read as offsets",
    )


def test_data_of_no_loader_is_passed_over_until_it_is_named() -> None:
    spec = parse_object(built(more=[data("xdp_metadata", bytes(4)), data(".eh_frame", bytes(8), elf.ALLOC)]))
    assert (spec.maps, spec.skipped) == ({}, ())
    with pytest.raises(LoadError, match="refers to xdp_metadata in section xdp_metadata, which holds no map"):
        parse_object(built(LDDW, (0, elf.R_64_64, of_section("xdp_metadata")), [data("xdp_metadata", bytes(4))]))


def test_a_section_that_takes_no_room_in_the_file_is_not_believed_any_size() -> None:
    file = built(more=[NewSection(".bss", elf.NOBITS, bytes(8), DATA)])
    assert parse_object(file).maps[".bss"].initial == bytes(8)
    huge = patched(file, (header_of(file, ".bss") + 32, struct.pack("<Q", MAX_DATA + 1)))
    with pytest.raises(LoadError, match=r"section \.bss: more than 128 MiB of data in one object"):
        parse_object(huge)


def test_two_sections_of_one_name_are_named() -> None:
    file = built(more=[data(".data", b"a"), data(".data.", b"b"), section(".text")])
    names = elf.Elf(file)
    row = header_of(file, ".data.")
    name = patched(file, (row, file[header_of(file, ".data") : header_of(file, ".data") + 4]))
    assert len(names.sections) > 3
    with pytest.raises(LoadError, match=r"two data sections are called \.data; link them with `bpftool gen object`"):
        parse_object(name)
