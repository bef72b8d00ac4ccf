"""What the data files of the instruction table hold: every row, both sides of each jump, all registers as operands."""

from __future__ import annotations

from pathlib import Path

from bpfvm.isa.ops import OPS, Kind, Op
from bpfvm.testing.datafile import Case, load_cases
from tests.contract.data_files import every_case

FOLDER = Path(__file__).resolve().parents[2] / "isa"

# Rows that no case runs to a result, all of them refused by name: tests/repo/test_tables.py looks for that
UNUSED = (
    "callx", "gotox", "addr_space_cast", "call_kfunc", "lddw_btf_id", "lddw_map_idx", "lddw_map_idx_value",
)  # fmt: skip
TWO_SIDED = (Kind.ALU, Kind.JUMP)


def running() -> list[Case]:
    """The cases that emulators run to a result."""
    return [case for case in load_cases(FOLDER) if case.result is not None]


def test_every_row_is_used() -> None:
    cases = running()
    used = {one.op.name for case in cases for one in case.insns}
    print(f"{len(cases)} cases in {len({case.place.file for case in cases})} files use {len(used)} rows")
    assert sorted({op.name for op in OPS} - used) == sorted(UNUSED)
    assert len(cases) >= 650
    assert len(used) >= 175


def test_the_kernel_runs_every_row_too() -> None:
    """All but one, which wants a program's BTF: rows that a case uses which the kernel is not said to refuse."""
    used = {one.op.name for case in running() if case.expect.kernel is None for one in case.insns}
    assert sorted({op.name for op in OPS} - used - set(UNUSED)) == ["lddw_func"]


def test_arithmetic_and_jumps_have_several_cases_each() -> None:
    count = dict.fromkeys((op.name for op in OPS if op.kind in TWO_SIDED), 0)
    results: dict[str, set[int | None]] = {name: set() for name in count}
    for case in running():
        for name in {one.op.name for one in case.insns} & set(count):
            count[name] += 1
            results[name].add(case.result)
    few = {name: number for name, number in count.items() if number < 2 and not name.startswith(("le", "be", "bswap"))}
    print(f"{sum(count.values())} uses of {len(count)} rows")
    assert few == {}
    one_sided = [op.name for op in OPS if op.kind is Kind.JUMP and len(results[op.name]) < 2]
    assert one_sided == [], "every jump has a case that takes it and one that does not"


ROLES = {"dst", "src"}


def test_every_choice_of_registers() -> None:
    """Each arithmetic row, jump, load, store and atomic operation with any two of r0 to r9, and with one twice."""
    met: dict[str, set[tuple[int, int]]] = {}
    for case in every_case():
        for one in case.insns:
            met.setdefault(one.op.name, set()).add((one.dst, one.src))
    total = 0
    for op in OPS:
        if op.kind not in MEMORY + TWO_SIDED or not ROLES & op.uses:
            continue
        lacking = set(pairs(op)) - met.get(op.name, set())
        assert sorted(lacking) == [], op.name
        total += len(met[op.name])
    print(f"{total} choices of registers")
    assert total >= 8000


MEMORY = (Kind.LOAD, Kind.LOAD_SX, Kind.STORE, Kind.ATOMIC, Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE)


def pairs(op: Op) -> list[tuple[int, int]]:
    """The registers that dst and src can be: r0 to r9, each where the row uses it."""
    numbers = range(10)
    if "src" not in op.uses:
        return [(dst, 0) for dst in numbers]
    return [(dst, src) for dst in numbers for src in numbers]
