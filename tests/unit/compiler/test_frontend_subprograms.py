"""Subprograms: one copy for all calls, hidden arguments, what BTF says of them, names of their own in an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, bpf, pkt, u8, u32, u64
from bpfvm.compiler import compile_programs
from bpfvm.core.errors import UsageError
from bpfvm.lang import hooks
from bpfvm.obj.btf.types import GLOBAL, STATIC, Func, FuncProto, Ptr, Struct, Typedef
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.writer.object import write_object
from bpfvm.program import Program

hits = Array(u64, 4)


@bpf.func
def half(a: u32) -> u32:
    return a // 2


@bpf.func
def share(a: u32, b: u32) -> u32:
    return a // b


@bpf.func
def proto(extra: u8) -> u64:
    return u64(pkt.ip.proto) + extra


@bpf.global_func
def alone(a: u32, b: bool) -> u64:
    hits[1] += 1
    return u64(a) if b else u64(7)


@bpf.func
def element(m, index: u8) -> u64:  # type: ignore[no-untyped-def]
    return u64(m[index])


@bpf.function
def scalars(a: u32, b: u32) -> u64:
    return u64(half(a) + half(b) + half(5)) + share(a, b) + alone(a, a > b)


@bpf.xdp
def packets(ctx: Any) -> int:
    hits[0] += proto(1)
    return 2


@bpf.function
def elements(a: u8) -> u64:
    return element(hits, a) + element(hits, a & 1)


def _functions(spec: ObjectSpec) -> dict[str, tuple[int, str, list[tuple[str, str]]]]:
    """Of each function its linkage, its result and its parameters by the names of their types."""
    btf = spec.btf
    assert btf is not None

    def name(number: int) -> str:
        kind = btf[number] if number else None
        return f"{name(kind.type)} *" if isinstance(kind, Ptr) else getattr(kind, "name", "void")

    found = {}
    for one in btf:
        if isinstance(one, Func):
            kind = btf[one.type]
            assert isinstance(kind, FuncProto)
            found[one.name] = (one.linkage, name(kind.returns), [(word, name(at)) for word, at in kind.params])
    return found


def test_calls_share_one_copy() -> None:
    spec = scalars.object
    program = spec.programs["scalars"]
    assert [(one.name, one.is_static) for one in program.functions] == [
        ("half", True), ("share", True), ("alone", False),
    ]  # fmt: skip
    assert sum(one.op.name == "call_local" for one in program.insns) == 5


def test_btf_names_parameters_and_results() -> None:
    found = _functions(scalars.object)
    assert found == {
        "scalars": (GLOBAL, "int", [("ctx", "scalars_arguments *")]),
        "half": (STATIC, "u32", [("a", "u32")]),
        "share": (STATIC, "u32", [("a", "u32"), ("b", "u32"), ("status", "u64 *")]),
        "alone": (GLOBAL, "u64", [("a", "u32"), ("b", "_Bool"), ("status", "u64 *")]),
    }
    btf = scalars.object.btf
    assert btf is not None
    (arguments,) = [one for one in btf if isinstance(one, Struct)]
    assert [(one.name, one.offset) for one in arguments.members] == [("result", 0), ("a", 64), ("b", 128)]
    assert any(isinstance(one, Typedef) and one.name == "u64" for one in btf)
    found = _functions(packets.object)
    assert found["packets"] == (GLOBAL, "int", [("ctx", "xdp_md *")])
    assert found["proto"] == (STATIC, "u64", [("extra", "u8"), ("ctx", "xdp_md *"), ("status", "u64 *")])


def test_a_map_is_part_of_the_function() -> None:
    assert [one.name for one in elements.object.programs["elements"].functions] == ["element"]
    assert elements.emulate(3, maps={"hits": {3: 5, 1: 7}}).value == 12


def test_every_function_begins_with_a_line() -> None:
    """Else the kernel takes no line information ("missing bpf_line_info for func#1")."""
    for program in (scalars, packets, elements):
        one = program.object.programs[program.name]
        for function in one.functions:
            place = one.lines.get(function.slot)
            assert place is not None, function.name
            assert place.file == __file__


def _compiled(record_faults: bool, *programs: Program) -> ObjectSpec:
    given = [(one.callee.target, one.hook) for one in programs if one.callee is not None and one.hook is not None]
    return compile_programs(given, record_faults=record_faults).spec


@bpf.function
def other(a: u32) -> u64:
    assert a != 99
    return u64(half(a)) + share(a, 3)


def test_programs_of_one_object_share_functions(tmp_path: Path) -> None:
    """Equal ones stand in the file once; differing ones of a name get names of their own."""
    recorded, plain = _compiled(True, scalars, other), _compiled(False, scalars, other)
    assert [one.name for one in recorded.programs["scalars"].functions] == ["half", "share", "alone"]
    assert [one.name for one in recorded.programs["other"].functions] == ["half", "share_2"]  # another fault site
    path = tmp_path / "two.o"
    path.write_bytes(write_object(plain))
    compared = 0
    for spec in (recorded, plain, read_object(str(path))):
        for one, given, want in ((scalars, (10, 4), 5 + 2 + 2 + 2 + 10), (other, (10,), 5 + 3)):
            program = Program(one.name, "syscall", spec)
            program.callee, program.hook = one.callee, hooks.function()
            assert program.emulate(*given).value == want
            compared += 1
    assert compared == 6
    fault = scalars.emulate(5, 0).fault
    assert fault is not None
    assert (fault.kind, str(fault.source)) == ("ZeroDivisionError", f"{__file__}:{share.__code__.co_firstlineno + 2}")


def test_marks_are_of_plain_functions() -> None:
    for mark in (bpf.func, bpf.global_func, bpf.inline):
        with pytest.raises(UsageError, match="marks a plain Python function"):
            mark(scalars)
    assert half(9) == 4  # and leave them as they are
