"""Every row of the instruction table has a data file: which do not, and why, is listed here."""

from __future__ import annotations

from pathlib import Path

from bpfvm.isa.ops import OPS, Kind
from bpfvm.testing.datafile import Case, load_cases

FOLDER = Path(__file__).resolve().parents[2] / "isa"

MAPS = "data files have no maps"
BTF = "needs an id in the BTF of a kernel or of the program"
SKB = "no program type here has an skb; refused.data shows that xdp refuses them"
ADDRESS = "needs an address that no machine of this version takes"
UNUSED = {
    "callx": ADDRESS,
    "gotox": ADDRESS,
    "addr_space_cast": "needs an arena map",
    "call": "helpers need maps; tests of the helpers call them",
    "call_kfunc": BTF,
    "lddw_map": MAPS,
    "lddw_map_value": MAPS,
    "lddw_btf_id": BTF,
    "lddw_func": BTF,
    "lddw_map_idx": MAPS,
    "lddw_map_idx_value": MAPS,
    **{f"{name}{bits}": SKB for name in ("ldabs", "ldind") for bits in (8, 16, 32)},
}
TWO_SIDED = (Kind.ALU, Kind.JUMP)


def run_everywhere(cases: list[Case]) -> list[Case]:
    """The cases that every machine runs to a result."""
    return [case for case in cases if case.result is not None and case.expect.kernel is None]


def test_every_row_is_used() -> None:
    cases = load_cases(FOLDER)
    used = {one.op.name for case in run_everywhere(cases) for one in case.insns}
    print(f"{len(cases)} cases in {len({case.place.file for case in cases})} files use {len(used)} rows")
    for name, reason in UNUSED.items():
        print(f"no case: {name}: {reason}")
    assert sorted({op.name for op in OPS} - used - set(UNUSED)) == []
    assert sorted(used & set(UNUSED)) == [], "listed as unused, but a case uses it"
    assert len(cases) >= 640
    assert len(used) >= 165


def test_arithmetic_and_jumps_have_several_cases_each() -> None:
    count = dict.fromkeys((op.name for op in OPS if op.kind in TWO_SIDED), 0)
    results: dict[str, set[int | None]] = {name: set() for name in count}
    for case in run_everywhere(load_cases(FOLDER)):
        for name in {one.op.name for one in case.insns} & set(count):
            count[name] += 1
            results[name].add(case.result)
    few = {name: number for name, number in count.items() if number < 2 and not name.startswith(("le", "be", "bswap"))}
    print(f"{sum(count.values())} uses of {len(count)} rows")
    assert few == {}
    one_sided = [op.name for op in OPS if op.kind is Kind.JUMP and len(results[op.name]) < 2]
    assert one_sided == [], "every jump has a case that takes it and one that does not"
