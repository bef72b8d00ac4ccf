"""Line information: each instruction stands at the line of the operation that it is for, also where a call is written
out or compiled once."""

from __future__ import annotations

from pathlib import Path

from bpfvm import bpf, u32, u64
from bpfvm.compiler import compile_program
from bpfvm.lang import hooks


def _rest(a: int, b: int) -> int:
    return a % b  # mod64_x


@bpf.func
def _masked(a: u32, b: u32) -> u32:
    return a & b  # and64_x


def lined(a: u32, b: u32) -> u64:
    c = a ^ b  # xor64_x
    d = (
        c | b  # or64_x
    )
    if d > 1000:  # jgt64_k jle64_k
        c = a * b  # mul64_x
    e = c // (b + 1)  # div64_x
    return u64(e) - _rest(a, b) + _masked(a, b)


def wrong_lines() -> list[str]:
    """Where an operation's place is not the line that names it, in words."""
    text = Path(__file__).read_text().splitlines()
    wanted = {
        op: number for number, line in enumerate(text, 1) if "  # " in line for op in line.rpartition("# ")[2].split()
    }
    spec = compile_program(lined, hooks.function()).spec
    program = spec.programs["lined"]
    seen, wrong = set(), []
    slot = 0
    for one in program.insns:
        place = program.source_of(slot)
        slot += 2 if one.op.name.startswith("lddw") else 1
        if one.op.name not in wanted:
            continue
        seen.add(one.op.name)
        if place is None or (place.file, place.line) != (__file__, wanted[one.op.name]) or not place.col:
            wrong.append(f"{one.op.name} at {place}, not at line {wanted[one.op.name]}")
    if len(seen) < 7:
        wrong.append(f"only {sorted(seen)} are there")
    return wrong


def test_instructions_stand_at_their_lines() -> None:
    assert wrong_lines() == []
