"""`prog.report()`: lines of source with their instructions, the checks that are left, the stack."""

from __future__ import annotations

from pathlib import Path

from bpfvm import Array, bpf, load, u32, u64
from bpfvm.run.report import remaining

OBJECTS = Path(__file__).parents[2] / "objects"
sizes = Array(u64, 8)


@bpf.func
def reported_share(a: u32, b: u32) -> u32:
    return a // b


@bpf.function
def reported(a: u32, b: u32) -> u64:
    sizes[a & 7] += 1
    c = a // 3

    if b > 4:
        c = b // (c + 1)
    return u64(c) + reported_share(a, b)


def test_lines_stand_above_their_instructions() -> None:
    lines = reported.report().splitlines()
    program = reported.object.programs["reported"]
    assert lines[0] == f"reported (syscall): {program.slot_count} slots, {program.stack} bytes of stack"
    assert lines[1] == f"subprogram reported_share: from slot {program.functions[0].slot}"
    start = reported.function.__code__.co_firstlineno if reported.function else 0
    code = [line for line in lines if line[:10].strip().isdigit() and line[10:11] == ":"]
    assert len(code) == len(program.insns)
    at = lines.index(f"{start + 3:>5}      c = a // 3")
    assert any(" /= 3" in line for line in lines[at + 1 : at + 4])
    assert f"{start + 4:>5}" in lines  # the line without code between two with code
    assert lines.index(f"{start + 2:>5}      sizes[a & 7] += 1") < at


def test_checks_are_those_that_are_left() -> None:
    """Neither `a // 3` nor `b // (c + 1)` can fail; the others can."""
    lines = reported.report().splitlines()
    at = lines.index("checks: 2")
    assert [line.strip().split("  ")[1].partition(":")[0] for line in lines[at + 1 : at + 3]] == [
        "IndexError",
        "ZeroDivisionError",
    ]
    recorded = reported.runnable.programs["reported"]
    assert [one.kind for one in remaining(recorded)] == ["IndexError", "ZeroDivisionError"]


def test_the_stack_is_told_object_by_object() -> None:
    lines = reported.report().splitlines()
    frame = reported.object.programs["reported"].frames["reported"]
    assert sorted(one.name for one in frame) == ["key of a map", "status"]
    assert [(one.offset % 8, one.size) for one in frame] == [(0, 8)] * 2
    assert f"stack of reported: {8 * len(frame)} bytes" in lines
    for one in frame:
        assert f"   r10{one.offset:<6}   8 bytes  {one.name}" in lines


def test_an_object_of_another_compiler_tells_its_lines() -> None:
    program = load(str(OBJECTS / "xdp_count.o")).programs["count"]
    lines = program.report().splitlines()
    assert lines[0] == f"count (xdp): {program.object.programs['count'].slot_count} slots"
    assert any(line.endswith("__u32 proto = data[23];") for line in lines)
    assert not any(line.startswith(("checks", "stack")) for line in lines)
