"""Every combination of settings gives the same on a tier: virtual CPUs, and somebody who watches."""

from __future__ import annotations

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.interp import Interpreter
from bpfvm.testing.datafile import NAME, Case, load_cases
from tests.contract.data_files import ISA
from tests.engines import EMULATORS


def run(case: Case, engine: str, cpus: int, watched: bool) -> Result | str:
    """What a case gives, or the words that refuse it."""
    try:
        with Emulator(engine, case.budget or 1_000_000, cpus).load(case.spec(), NAME, {}) as loaded:
            if watched and isinstance(loaded.tier, Interpreter):
                with loaded.cover():
                    return loaded.run(case.input())
            return loaded.run(case.input())
    except BpfvmError as error:
        return str(error)


def test_no_setting_changes_what_a_case_gives() -> None:
    cases = [case for case in load_cases(ISA)[::4] if case.type in ("syscall", "xdp")]
    compared = 0
    for case in cases:
        for engine in EMULATORS:
            first, *others = (run(case, engine, cpus, watched) for cpus in (1, 3) for watched in (False, True))
            assert [one for one in others if one != first] == [], f"{case.name} on {engine}"
            compared += len(others)
    print(f"{len(cases)} cases, {compared} comparisons")
    assert compared >= 900
