"""Damaged programs: the reference tier ends each by a result, a fault or an error of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping

from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator import Emulator
from bpfvm.fuzz.damage import BUDGET, damaged, robust
from bpfvm.fuzz.generate import program
from bpfvm.obj.model import ObjectSpec
from bpfvm.run.backend import Loaded

PROGRAMS = 4_000


def test_nothing_but_its_own_errors_comes_out_of_the_reference_tier() -> None:
    report = robust("interp", 1, PROGRAMS)
    print(report)
    faults = {reason: count for reason, count in report.rejected.items() if "fault" in reason}
    print(f"{report.runs} ran to their end, {sum(faults.values())} ended by a fault, "
          f"{report.generated - report.runs - sum(faults.values())} were refused")  # fmt: skip
    assert report.compared == report.generated == PROGRAMS
    assert report.differences == []
    assert report.runs >= 200
    assert sum(faults.values()) >= 1000
    assert len(report.rejected) >= 50


class Brittle(Emulator):
    """The reference tier with a budget, and a crash on one operation at load and on another when it runs."""

    def __init__(self) -> None:
        super().__init__("interp", BUDGET)

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:  # type: ignore[override]
        if any(one.op.name == "callx" for one in spec.programs[program].insns):
            raise KeyError("callx")
        loaded = super().load(spec, program, maps)
        return _Brittle(loaded) if any(one.op.name == "gotol" for one in spec.programs[program].insns) else loaded


class _Brittle:
    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.read_map, self.write_map, self.close = loaded.read_map, loaded.write_map, loaded.close

    def run(self, given: Input) -> Result:
        raise RecursionError("planted")


def test_planted_crashes_are_found() -> None:
    report = robust(Brittle(), 1, 3000, most=40)
    lines = {line for one in report.differences for line in one.lines}
    assert lines == {"interp raised RecursionError: planted", "interp raised KeyError: 'callx'"}
    assert len(report.differences) == 40
    assert report.generated == report.compared + 40 < 3000


def test_damage_is_of_every_kind() -> None:
    good = program(random.Random(1), "").program.insns
    made = [damaged(random.Random(number), good) for number in range(1000)]
    sizes = {len(one) % 8 for one in made}
    assert sizes == set(range(8))
    assert len(set(made)) >= 900
    assert sum(len(one) == 8 * len(good) for one in made) < 800
