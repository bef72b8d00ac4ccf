"""Writing an object and reading it back is the identity."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import insn
from bpfvm.isa.ops import OPS
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import DataSec, Int
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.datasec import data_map, name_of
from bpfvm.obj.model import CoreReloc, ExternSpec, FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import parse_object, read_object
from bpfvm.obj.writer.complete import completed
from bpfvm.obj.writer.object import write_object
from tests.unit.obj.writer.specs import LINKED, objects

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
RETURN = (insn("mov64_k", 0, imm=2), insn("exit"))


def symbols(spec: ObjectSpec) -> list[str | None]:
    """What instructions name, which comparison of instructions leaves out."""
    return [one.symbol for program in spec.programs.values() for one in program.insns]


def program(*insns: object, **fields: object) -> ObjectSpec:
    code = insns or RETURN
    spec = ProgramSpec("main", "xdp", "xdp", code)  # type: ignore[arg-type]
    return ObjectSpec({"main": replace(spec, **fields)}, {})  # type: ignore[arg-type]


def test_generated_objects_come_back_equal() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None)
    @given(objects())
    def check(spec: ObjectSpec) -> None:
        whole = completed(spec)
        data = write_object(spec)
        back = parse_object(data)
        assert back == whole
        assert symbols(back) == symbols(whole)
        assert replace(back, btf=None, maps={}) == replace(spec, btf=None, maps={})
        assert write_object(back) == data
        for old, new in zip(spec.btf or (), back.btf or (), strict=False):
            assert old == new or isinstance(old, DataSec)
        met.update(one.op.name for program in spec.programs.values() for one in program.insns)
        met.update(f"map {one.section}" for one in spec.maps.values())
        met.update(f"extern {one.kind}" for one in spec.externs.values())
        met.update(f"core {one.kind}" for program in spec.programs.values() for one in program.core)

    check()
    print(f"{met.total()} instructions, maps, externs and relocations of {len(met)} kinds: {met}")
    assert len(met) >= 100
    for kind in ("lddw_map", "lddw_map_value", "lddw_btf_id", "lddw_func", "call_local", "call_kfunc"):
        assert met[kind] >= 10, kind
    for kind in ("kconfig", "ksym", "kfunc"):
        assert met[f"extern {kind}"] >= 5, kind
    for section in (".maps", "maps", ".rodata", ".rodata.str1.1", ".data", ".data.mine", ".bss", ".kconfig"):
        assert met[f"map {section}"], section  # how often also depends on the modules that are imported
    assert sum(number for kind, number in met.items() if kind.startswith("core ")) >= 10


@pytest.mark.parametrize("endian", ["little", "big"])
def test_every_row_comes_back_equal(endian: str) -> None:
    rows = [one for one in OPS if one.name not in LINKED]
    edges = {"dst": 9, "src": 10, "off": -(1 << 15), "imm": -(1 << 31)}
    code = []
    for one in rows:
        dst, src, off, imm = (edges[field] if field in one.uses else 0 for field in ("dst", "src", "off", "imm"))
        code += [insn(one.name, dst, src, off, imm)] if one.name != "lddw" else []
    code += [insn("lddw", 10, imm=(1 << 64) - 1), *RETURN]
    spec = replace(program(*code), endian=endian)
    back = parse_object(write_object(spec))
    assert back == completed(spec)
    print(f"{len(code)} instructions, {len(rows)} rows of the table")
    assert {one.op.name for one in back.programs["main"].insns} == {one.name for one in rows}
    assert len(rows) >= 150


def test_what_selects_a_row_is_filled_in() -> None:
    spec = program(insn("lddw_map", 1, symbol="m"), *RETURN)
    spec = replace(spec, maps={"m": MapSpec("m", "array", 4, 8, 1)})
    assert parse_object(write_object(spec)).programs["main"].insns[0].src == 1


def test_a_column_that_btf_cannot_hold_is_not_known() -> None:
    spec = program(lines={0: Location("a.py", 7, 1024)})
    assert parse_object(write_object(spec)).programs["main"].lines == {0: Location("a.py", 7, 0)}


def test_a_changed_map_is_declared_anew_and_a_removed_one_no_more() -> None:
    spec = read_object(OBJECTS / "xdp_actions.o")
    larger = replace(spec.maps["by_family"], max_entries=77)
    changed = replace(spec, maps={**spec.maps, "by_family": larger})
    assert parse_object(write_object(changed)).maps == changed.maps
    removed = replace(spec, maps={}, programs={})
    back = parse_object(write_object(removed))
    assert back.maps == {}
    assert back.programs == {}


def test_a_function_of_two_programs_stands_once() -> None:
    data = write_object(read_object(OBJECTS / "xdp_calls.o"))
    assert data.count(b"\0mix\0") == 2  # in the symbols' strings and in BTF's


def test_functions_stand_in_the_order_that_reading_gives() -> None:
    """Each behind what names it first, depth first; a program made with another order is put into this one."""
    exit_ = insn("exit")
    code = [insn("call_local", imm=1), exit_, exit_, insn("call_local", imm=-2), exit_]  # main, last, first: main calls
    code[0] = insn("call_local", imm=2)  # first, which calls last
    spec = program(*code, functions=(FunctionSpec("last", 2, True), FunctionSpec("first", 3, True)))
    back = parse_object(write_object(spec))
    assert back == completed(spec)
    assert [(one.name, one.slot) for one in back.programs["main"].functions] == [("first", 2), ("last", 4)]
    assert [one.imm for one in back.programs["main"].insns if one.op.name == "call_local"] == [1, 1]


def test_two_programs_of_one_code_are_two_names_when_btf_knows_one() -> None:
    spec = read_object(OBJECTS / "calls_alias.o")
    file = elf.Elf(write_object(spec))
    places = {one.name: (one.section, one.value) for one in file.symbols if one.name in ("original", "second")}
    assert len(places) == 2
    assert places["original"] == places["second"]


def test_without_btf_there_is_none() -> None:
    spec = replace(program(), btf=None)
    assert completed(spec).btf is None
    assert elf.Elf(write_object(spec)).section(".BTF") is None
    assert completed(program(lines={0: Location("a.py", 7)})).btf is not None


def test_the_contents_of_a_bss_take_no_room() -> None:
    bss = data_map(".bss", bytes(1 << 20), None)
    data = write_object(replace(program(), maps={".bss": bss}))
    assert len(data) < 2000
    assert parse_object(data).maps == {".bss": bss}


def test_old_maps_say_what_is_inside() -> None:
    row = MapSpec("a", "hash", 4, 8, 16, section="maps")
    inner = replace(row, name="outer.inner")
    outer = MapSpec("outer", "hash_of_maps", 4, 4, 5, inner=inner, contents=((3, "a"), (7, "b")), section="maps")
    noted = replace(row, name="far", flags=4, numa_node=1)
    for maps in ([row, replace(row, name="b"), outer, noted], [outer, replace(row, name="b"), row]):
        spec = replace(program(), maps={one.name: one for one in maps})
        assert parse_object(write_object(spec)).maps == spec.maps
    named = MapSpec("state", "hash", 4, 8, 16, section="lirc_mode2/maps")
    beside = replace(program(), maps={"a": row, "state": named, "b": replace(row, name="b", section="maps/b")})
    assert parse_object(write_object(beside)).maps == beside.maps
    unfilled = replace(program(), maps={"a": row, "outer": replace(outer, contents=())})
    assert parse_object(write_object(unfilled)).maps == unfilled.maps


@pytest.mark.parametrize(
    ("offset", "reason"),
    [(8, "gives maps [a-z]+ and [a-z]+ the same bytes at 0x"), (1 << 31, "puts map mango at 0x80000000, far behind")],
)
def test_places_that_btf_gives_to_maps_are_checked(offset: int, reason: str) -> None:
    spec = read_object(OBJECTS / "maps_order.o")
    assert spec.btf is not None
    number = spec.btf.find(DataSec, ".maps") or 0
    section = spec.btf[number]
    assert isinstance(section, DataSec)
    first, *rest = sorted(section.vars, key=lambda one: name_of(spec.btf or Btf(), one) != "mango")
    spec.btf.define(number, replace(section, vars=(replace(first, offset=offset), *rest)))
    with pytest.raises(LoadError, match=reason):
        write_object(spec)


def having(*maps: MapSpec, **fields: object) -> ObjectSpec:
    return replace(program(), maps={one.name: one for one in maps}, **fields)  # type: ignore[arg-type]


M = MapSpec("m", "array", 4, 4, 1)
OLD = replace(M, section="maps")
OUTER = MapSpec("m", "array_of_maps", 4, 4, 1)
DATA = data_map(".data", b"1234", None)
VALUE = ExternSpec("CONFIG_A", "kconfig", 1, size=4)
INT = [Int("int", 4, 32, is_signed=True)]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (program(section="socket"), "section socket is of socket_filter programs, and this one is xdp"),
        (program(insn("lddw_map", 1, symbol="gone"), *RETURN), "refers to map 'gone', which the object does not have"),
        (program(insn("lddw_map_value", 1, symbol="m"), *RETURN), "refers to map 'm', which the object does not"),
        (program(insn("call_kfunc", imm=7), *RETURN), "call_kfunc names 7, which is none of the object's externs"),
        (program(insn("call_local", imm=5), *RETURN), "instruction 0 calls slot 6, where no function starts"),
        (program(functions=(FunctionSpec("f", 9, True),)), "function main from slot 0 to 9 is no run of its code"),
        (replace(program(insn("call_local", imm=0), *RETURN, functions=(FunctionSpec("f", 1),)), btf=Btf()),
         "function f is global, so its arguments are checked by BTF"),
        (program(lines={5: Location("a.py", 1)}), "line information for slot 5 of 2"),
        (program(lines={0: Location("a.py", 1 << 22)}), "BTF holds line numbers up to 4194303"),
        (replace(program(), license="a\0b"), "holds a NUL"),
        (replace(program(), skipped=("section .rodata: why",)), "cannot be written whole: section .rodata: why"),
        (replace(program(), maps={"m": MapSpec("m", "nohash", 4, 4, 1)}), "map type 'nohash' is not known"),
        (replace(program(), maps={"m": MapSpec("m", "array", 4, 4, 1, initial=b"1234")}), "initial contents"),
        (having(replace(OLD, initial=b"1234")), "map m: it has initial contents, and section maps holds none"),
        (having(replace(M, section=".tbss")), "map m: section .tbss is none that holds a map"),
        (having(replace(M, section=".data")), "stands for section .data, and has no initial contents"),
        (having(replace(DATA, flags=0)), "flags is 0, and of a map that stands for section .data it is 1024"),
        (having(data_map(".bss", b"1", None)), "map .bss: section .bss holds zeros only, and its contents are others"),
        (having(replace(M, pin="/sys/fs/bpf/m")), "map m: pin is '/sys/fs/bpf/m', and a file can say '', 'by_name'"),
        (having(replace(M, max_entries=1 << 32)), "map m: max_entries is 4294967296, and a file holds numbers from 0"),
        (having(replace(M, inner=replace(M, name="m.inner"))), "it has an inner map, and array maps hold none"),
        (having(replace(OUTER, inner=M)), "map m: its inner map is m of .maps, wanted m.inner"),
        (having(replace(OUTER, contents=((0, "x"),))), "what its inner map looks like is not said"),
        (having(replace(OUTER, inner=replace(M, name="m.inner"), contents=((0, "x"),))),
         "map m: 'x' stands at 0, and the object does not have it"),
        (having(replace(OUTER, inner=replace(M, name="m.inner"), contents=((1 << 20, "m"),))), "up to index 65535"),
        (having(replace(M, type="prog_array", contents=((0, "m"),))), "map m: 'm' stands at 0, and the object"),
        (having(replace(OLD, extra=3)), "map m: section maps cannot say extra (3)"),
        (having(replace(OLD, numa_node=3)), "map m: section maps can say a NUMA node (3) only of a map with flag numa"),
        (having(replace(OLD, type="prog_array", contents=((0, "main"),))), "of sections ID/INDEX with one ID"),
        (having(replace(OUTER, section="maps", inner=replace(M, name="m.inner"))), "and has none alike"),
        (program(insn("lddw_map_idx", 1, imm=3), *RETURN), "lddw_map_idx (3) names a map by place in a list"),
        (replace(program(insn("lddw_map_value", 1, symbol="m"), *RETURN), maps={"m": M}),
         "lddw_map_value of map m: a file can name values of data sections only"),
        (program(insn("lddw", 1, symbol="jiffies"), *RETURN), "lddw names jiffies, which is none of the object's"),
        (replace(program(insn("lddw_btf_id", 1, symbol="x"), *RETURN), externs={"x": ExternSpec("x", "ksym", 0)}),
         "lddw_btf_id names x, which is a ksym of BTF type 0"),
        (having(externs={"x": ExternSpec("x", "what", 0)}), "extern x: kind 'what' is none of kconfig, ksym, kfunc"),
        (having(externs={"x": ExternSpec("x", "kfunc", 1)}, btf=Btf(INT)), "extern x: its type is int, not"),
        (having(externs={"CONFIG_A": VALUE}, btf=Btf(INT)), "map .kconfig is missing, and the values that the object"),
        (having(externs={"CONFIG_A": replace(VALUE, offset=4)}, btf=Btf(INT)),
         "extern CONFIG_A: it is at byte 4 of .kconfig, and readers of a file put it at 0"),
        (having(externs={"y": VALUE}), "extern 'y' is called 'CONFIG_A', and a file has one name for it"),
        (program(core=(CoreReloc(7, "type_exists", 0, "0"),)), "a CO-RE relocation at slot 7, where no instruction"),
        (program(core=(CoreReloc(0, "type_eats", 0, "0"),)), "unknown kind type_eats"),
        (program(section=".text", type="unspec"), "section .text holds functions that programs call, no programs"),
        (program(section="license", type="unspec"), "two sections are called license"),
        (program(functions=(FunctionSpec("f", 1, True),)), "program main: nothing in it calls function f"),
        (
            replace(program(), maps={"main": MapSpec("main", "array", 4, 4, 1)}),
            "two things in this object are called main",
        ),
        (
            replace(program(), btf=Btf([*Btf()]), maps={"m": MapSpec("m", "array", 4, 4, 1, key_type=3)}),
            "there is no BTF type 3",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_line(spec: ObjectSpec, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        write_object(spec)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
