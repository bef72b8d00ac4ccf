"""Programs of object files that others made, on several machines over random packets and contexts.

report = objects(("interp", "portable"), Path("objects"), seed=1)
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.fuzz import edges
from bpfvm.fuzz.case import PROGRAM, Case
from bpfvm.fuzz.differ import Engines, backends, compare, excuse
from bpfvm.fuzz.report import Report
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.tables.progs import BY_NAME

INPUTS = 4  # of each program
_SIZES = (40, 60, 64, 128, 600)  # of packets, in bytes
_CONTEXT = 64  # bytes of what a syscall program gets


def objects(engines: Engines, folder: Path, seed: int, contained: Sequence[str] = ()) -> Report:
    """Compare every program below `folder`. What has no input here, or is no object, is counted by its reason.

    contained: as for bpfvm.fuzz.differ.compare.
    """
    machines = backends(engines)
    report = Report(tuple(one.name for one in machines), seed)
    for path in sorted(folder.rglob("*.o")):
        try:
            spec = read_object(str(path))
        except BpfvmError:
            report.rejected["no object that can be read"] += 1
            continue
        for case in _cases(report, spec, path, seed):
            report.generated += 1
            verdict = compare(machines, case, contained)
            report.runs += verdict.runs
            reason = excuse(machines, case) if verdict.difference is not None else verdict.rejected
            if reason is not None:
                report.rejected[reason] += 1
            elif verdict.difference is not None:
                report.differences.append(verdict.difference)
            else:
                report.compared += 1
    return report


def _cases(report: Report, spec: ObjectSpec, path: Path, seed: int) -> Iterator[Case]:
    """A case for each program of an object that takes a packet, or a context of its own."""
    for name, one in spec.programs.items():
        kind = BY_NAME.get(one.type)
        if kind is None or (kind.layer is None and one.type != "syscall"):
            report.rejected[f"{one.type} programs get no input here"] += 1
            continue
        rng = random.Random(f"{seed}:{path.name}:{name}")
        given = [
            Input(ctx=edges.memory(rng, _CONTEXT)) if kind.layer is None
            else Input(packet=edges.memory(rng, rng.choice(_SIZES)))
            for _ in range(INPUTS)
        ]  # fmt: skip
        yield Case(
            f"{path.name}:{name}",
            replace(spec, programs={**spec.programs, PROGRAM: replace(one, name=PROGRAM)}),
            tuple(given),
        )
