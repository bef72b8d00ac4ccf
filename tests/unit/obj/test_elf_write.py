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
from bpfvm.obj.btf import Btf
from bpfvm.obj.complete import completed
from bpfvm.obj.elf_read import parse_object, read_object
from bpfvm.obj.elf_write import write_object
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from tests.unit.obj.specs import LINKED, objects

OBJECTS = Path(__file__).resolve().parents[2] / "objects"
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

    @settings(max_examples=150, deadline=None)
    @given(objects())
    def check(spec: ObjectSpec) -> None:
        whole = completed(spec)
        data = write_object(spec)
        back = parse_object(data)
        assert back == whole
        assert symbols(back) == symbols(whole)
        assert replace(back, btf=None) == replace(spec, btf=None)
        assert back.btf is not None
        assert list(back.btf)[: len(spec.btf or ())] == list(spec.btf or ())
        assert write_object(back) == data
        met.update(one.op.name for program in spec.programs.values() for one in program.insns)

    check()
    print(f"{met.total()} instructions of {len(met)} rows in generated programs")
    assert len(met) >= 50
    assert met["call_local"] >= 20
    assert met["lddw_map"] >= 20


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


def test_committed_objects_come_back_equal() -> None:
    paths = sorted(OBJECTS.glob("*.o"))
    for path in paths:
        spec = read_object(path)
        assert not spec.skipped
        back = parse_object(write_object(spec))
        assert back == spec == completed(spec), path.name
        assert symbols(back) == symbols(spec), path.name
    print(f"{len(paths)} objects of clang compared")
    assert len(paths) >= 9


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


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (program(section="socket"), "program main: section socket is not one of xdp programs"),
        (program(insn("lddw_map", 1, symbol="gone"), *RETURN), "refers to map 'gone', which the object does not have"),
        (program(insn("lddw_map_value", 1, symbol="m"), *RETURN), "lddw_map_value (m) is not written"),
        (program(insn("call_kfunc", imm=7), *RETURN), "call_kfunc (7) is not written"),
        (program(insn("call_local", imm=5), *RETURN), "instruction 0 calls slot 6, where no function starts"),
        (program(functions=(FunctionSpec("f", 9, True),)), "function main from slot 0 to 9 is no run of its code"),
        (program(functions=(FunctionSpec("f", 1),)), "function f is global, so its arguments are checked by BTF"),
        (program(lines={5: Location("a.py", 1)}), "line information for slot 5 of 2"),
        (program(lines={0: Location("a.py", 1 << 22)}), "BTF holds line numbers up to 4194303"),
        (replace(program(), license="a\0b"), "holds a NUL"),
        (replace(program(), skipped=("section .rodata: why",)), "cannot be written whole: section .rodata: why"),
        (replace(program(), maps={"m": MapSpec("m", "nohash", 4, 4, 1)}), "map type 'nohash' is not known"),
        (replace(program(), maps={"m": MapSpec("m", "array", 4, 4, 1, initial=b"1234")}), "initial contents"),
        (
            replace(program(), maps={"main": MapSpec("main", "array", 4, 4, 1)}),
            "two things in this object are called main",
        ),
        (
            replace(program(), btf=Btf([*Btf()]), maps={"m": MapSpec("m", "array", 4, 4, 1, key_type=3)}),
            "there is no BTF type 3",
        ),
    ],
)
def test_what_cannot_be_written_is_one_line(spec: ObjectSpec, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        write_object(spec)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
