"""Planted faults: each is found, and reduced to few instructions that still show it and nothing else."""

from __future__ import annotations

import time

import pytest

from bpfvm.fuzz.case import make
from bpfvm.fuzz.defined import undefined
from bpfvm.fuzz.differ import compare, differ
from bpfvm.fuzz.report import Difference
from bpfvm.fuzz.shrink import shrink
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import listing
from tests.unit.fuzz.plants import PLANTS, RIGHT, Rewritten, row

PROGRAMS = 3000  # within which a fault must be found
FEW, FEW_OF_CALLS = 8, 12  # instructions of the reduced program; a call of a helper takes some of its own


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[int, Difference, Difference]]:
    """Of each plant: programs until it was found, the difference, the smallest one."""
    every = {}
    for plant in PLANTS:
        report = differ((RIGHT, plant), 1, PROGRAMS, most=1)
        if report.differences:
            (first,) = report.differences
            every[plant.name] = report.generated, first, shrink((RIGHT, plant), first)
    return every


def test_every_plant_is_found(found: dict[str, tuple[int, Difference, Difference]]) -> None:
    for name, (programs, first, last) in found.items():
        sizes = f"{len(first.case.program.insns)} to {len(last.case.program.insns)} instructions"
        print(f"{name}: program {programs}, {sizes}")
    print(f"{len(found)} of {len(PLANTS)} plants found")
    assert [plant.name for plant in PLANTS if plant.name not in found] == []
    assert len(found) >= 40


def test_what_is_left_is_small_and_still_differs(found: dict[str, tuple[int, Difference, Difference]]) -> None:
    for plant in PLANTS:
        _, first, last = found[plant.name]
        case = last.case
        text = f"{plant.name}\n{listing(case.program.insns)}"
        calls = any(one.op.name.startswith("call") for one in case.program.insns)
        assert len(case.program.insns) <= (FEW_OF_CALLS if calls else FEW), text
        assert len(case.inputs) == 1, text
        assert undefined(case) is None, text
        again = compare((RIGHT, plant), case).difference
        assert again is not None, text
        assert again.kind == first.kind == last.kind, text
        assert compare((RIGHT, RIGHT), case).difference is None, text


def test_a_search_ends_when_it_may_try_no_more() -> None:
    wrong = Rewritten("wrong", row("jsgt64_k", "jgt64_k"))
    (first,) = differ((RIGHT, wrong), 1, PROGRAMS, most=1).differences
    assert shrink((RIGHT, wrong), first, tests=0) == first
    assert len(shrink((RIGHT, wrong), first, tests=40).case.program.insns) <= len(first.case.program.insns)
    start = time.monotonic()
    shrink((RIGHT, wrong), first, seconds=0.05)
    assert time.monotonic() - start < 2


def test_a_crash_is_made_small_too() -> None:
    def change(one: object) -> object:
        if getattr(one, "op").name == "be16":  # noqa: B009
            raise ZeroDivisionError("planted")
        return one

    wrong = Rewritten("wrong", change)  # type: ignore[arg-type]
    text = "r0 = 1\nr2 = 2\nr3 = r2\nr2 = be16 r2\nr0 += r3\nexit"
    case = make("one", "syscall", assemble(text), ())
    difference = compare((RIGHT, wrong), case).difference
    assert difference is not None
    assert difference.kind == "crash"
    smallest = shrink((RIGHT, wrong), difference)
    assert [one.op.name for one in smallest.case.program.insns] == ["be16"]
