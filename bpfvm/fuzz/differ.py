"""Runs cases on several machines and tells what differs: r0, memory, packet, fields, maps, faults, refusals.

    report = differ(("interp", "kernel"), seed=1, programs=20_000)

What a verifier refuses, or a machine says that it does not have, is counted by its reason and not compared, as is what
the kernel is known to do wrong (bpfvm.fuzz.known). A program that one machine refuses as wrong and another one takes is
a difference, as is a fault that only one has.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Sequence
from collections.abc import Generator as Steps
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

from bpfvm.core.bits import mask
from bpfvm.core.errors import BpfvmError, LoadError, UsageError
from bpfvm.core.machine import Entries, Fault, Result
from bpfvm.emulator import Emulator
from bpfvm.fuzz import generate
from bpfvm.fuzz.case import PROGRAM, Case, Generator, generated
from bpfvm.fuzz.known import known
from bpfvm.fuzz.report import Difference, Report
from bpfvm.fuzz.trace import BUDGET, Hits, Traced
from bpfvm.run import cluster
from bpfvm.run.backend import Backend, Loaded, engine

CHUNK = 50  # programs that a worker of a cluster takes at a time
MOST = 10  # differences after which a run stops
_SHOWN = 8  # bytes of memory that a line shows

Engines = Sequence["str | Backend"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one case: `rejected` says why it was not compared, `difference` what differs; else all are equal."""

    rejected: str | None = None
    difference: Difference | None = None
    runs: int = 0


def backends(engines: Engines, hits: Hits | None = None) -> list[Backend]:
    """The machines by name, emulators with a small budget; the reference tier counts into `hits`.

    UsageError for fewer than two.
    """
    if len(engines) < 2:
        raise UsageError("a difference takes two engines at least")
    return [machine(one, hits) if isinstance(one, str) else one for one in engines]


def machine(name: str, hits: Hits | None = None, budget: int = BUDGET) -> Backend:
    """The machine called `name` for programs that are short, if they end at all."""
    found = engine(name)
    if not isinstance(found, Emulator):
        return found
    return Emulator(name, budget) if hits is None or name != "interp" else Traced(hits, budget)


def differ(
    engines: Engines, seed: int, programs: int | None = None, seconds: float | None = None, *,
    generator: Generator = generate.program, most: int = MOST, progress: Callable[[Report], None] | None = None,
    report: Report | None = None, dask: str | None = None, jobs: int = 1,
) -> Report:  # fmt: skip
    """Compare random programs until `programs` are compared, `seconds` are over or `most` differences were found.

    At most twice as many programs are made as shall be compared. report: one to go on with, so that a run that is
    interrupted leaves what it found. dask: where to run instead, as in bpfvm.run.cluster; of `jobs` processes.
    """
    names = tuple(one if isinstance(one, str) else one.name for one in engines)
    report = report if report is not None else Report(names, seed)
    start = time.monotonic()
    with closing(_parts(report, backends(engines, report.trace), generator, dask, jobs)) as parts:
        while len(report.differences) < most:
            report.seconds = time.monotonic() - start
            if seconds is not None and report.seconds >= seconds:
                break
            if programs is not None and (report.compared >= programs or report.generated >= 2 * programs):
                break
            next(parts)
            if progress is not None:
                progress(report)
    report.seconds = time.monotonic() - start
    return report


def _parts(
    report: Report, machines: Sequence[Backend], generator: Generator, dask: str | None, jobs: int
) -> Steps[None, None, None]:  # fmt: skip
    """Compare more programs and count them, a step each, without end."""
    if dask is None:
        while True:
            count(report, compare(machines, generated(generator, report.seed, report.generated)), machines)
            yield
    call = partial(_chunk, report.engines, generator, report.seed)
    with cluster.client(dask, jobs) as client:
        for part in cluster.in_order(client, call, itertools.count(0, CHUNK), "programs from number {} on".format):
            report.add(part)
            yield


def _chunk(names: tuple[str, ...], generator: Generator, seed: int, first: int) -> Report:
    """CHUNK programs from number `first` on, in whatever process this is."""
    report = Report(names, seed)
    machines = backends(names, report.trace)
    for number in range(first, first + CHUNK):
        count(report, compare(machines, generated(generator, seed, number)), machines)
    return report


def count(report: Report, verdict: Verdict, machines: Sequence[Backend]) -> None:
    """Put the verdict of one more case into a report."""
    report.generated += 1
    report.runs += verdict.runs
    reason = excuse(machines, verdict.difference.case) if verdict.difference is not None else None
    if reason is not None:
        report.rejected[f"known: {reason}"] += 1
    elif verdict.difference is not None:
        report.differences.append(verdict.difference)
    elif verdict.rejected is not None:
        report.rejected[verdict.rejected] += 1
    else:
        report.compared += 1


def excuse(machines: Sequence[Backend], case: Case) -> str | None:
    """Why the kernel, if it is one of the machines, is known to be wrong about a case on which they differ."""
    if all(one.name != "kernel" for one in machines):
        return None
    return known(case, lambda changed: compare(machines, changed).difference is not None)


def compare(machines: Sequence[Backend], case: Case, contained: Sequence[str] = ()) -> Verdict:
    """One case on all machines. contained: those that need not be as the first one where that faults."""
    with ExitStack() as opened:
        loaded: list[tuple[str, Loaded]] = []
        errors: dict[str, BpfvmError] = {}
        for machine in machines:
            try:
                one = machine.load(case.spec, PROGRAM, case.maps)
            except BpfvmError as error:
                errors[machine.name] = error
            except Exception as error:  # whatever a machine raises is what is looked for
                return Verdict(difference=_crash(case, machine.name, "load", error))
            else:
                opened.callback(one.close)
                loaded.append((machine.name, one))
        if errors:
            return _refused(case, errors, len(machines))
        return _run(case, loaded, contained)


def _refused(case: Case, errors: dict[str, BpfvmError], machines: int) -> Verdict:
    """A difference where one machine calls wrong what another one takes."""
    wrong = {name: error for name, error in errors.items() if isinstance(error, LoadError)}
    if len(wrong) == len(errors) < machines:
        lines = tuple(f"{name} does not load it: {error}" for name, error in wrong.items())
        return Verdict(difference=Difference(case, "refused", lines))
    name, error = next((pair for pair in errors.items() if pair[0] not in wrong), next(iter(errors.items())))
    return Verdict(rejected=reason(name, error))


def reason(name: str, error: BpfvmError) -> str:
    """Why a machine did not take a program, without what differs from program to program."""
    words = re.sub(r"^fuzz: |instruction \d+ \(\w+\):? ?|, at instruction .*", "", str(error), flags=re.DOTALL)
    return f"{name}: {re.sub(r'-?(0x[0-9a-f]+|[0-9]+)', 'N', words)[:120]}"


def _run(case: Case, loaded: Sequence[tuple[str, Loaded]], contained: Sequence[str]) -> Verdict:
    for number, given in enumerate(case.inputs):
        results: list[tuple[str, Result]] = []
        for name, one in loaded:
            try:
                results.append((name, one.run(given)))
            except BpfvmError as error:
                return Verdict(rejected=reason(name, error), runs=number)
            except Exception as error:  # as at load
                return Verdict(difference=_crash(case, name, "run", error), runs=number)
        if results[0][1].fault is not None:
            results = [(name, one) for name, one in results if name not in contained]
        endless = next((name for name, one in results if one.fault is not None and one.fault.kind == "budget"), None)
        if endless is not None:
            return Verdict(rejected=f"{endless}: budget: it runs for too long", runs=number)
        first_name, first = results[0]
        for name, other in results[1:]:
            kind, lines = results_differ(first_name, first, name, other)
            if lines:
                return Verdict(difference=Difference(case, kind, tuple(lines), number), runs=number + 1)
        if first.fault is not None:
            loaded = [pair for pair in loaded if pair[0] not in contained]
            break  # machines agree on the fault; what memory holds after it is not said
    return _maps(case, loaded)


def results_differ(left: str, a: Result, right: str, b: Result) -> tuple[str, list[str]]:
    """The kind of the difference and a line for each thing that differs, [] for none."""
    if a.fault is not None or b.fault is not None:
        equal = _place(a.fault) == _place(b.fault)
        return "fault", [] if equal else [f"{left} {a.fault or 'ends'}, {right} {b.fault or 'ends'}"]
    lines = []
    bits = min(a.r0_bits, b.r0_bits)
    if (a.r0 ^ b.r0) & mask(bits):
        lines.append(f"r0: {left} {a.r0 & mask(bits):#x}, {right} {b.r0 & mask(bits):#x} ({bits} bits)")
    for what, one, other in (("context", a.ctx, b.ctx), ("packet", a.packet, b.packet)):
        if one is not None and other is not None and one != other:
            lines.append(f"{what}: {_bytes(left, one, right, other)}")
    both = [name for name in b.fields if name in a.fields]  # the kernel gives back those that it takes
    fields = ("fields", {name: a.fields[name] for name in both}, {name: b.fields[name] for name in both})
    for what, seen, also in (("trace", a.trace, b.trace), ("redirect", a.redirect, b.redirect), fields):
        if seen != also:
            lines.append(f"{what}: {left} {seen!r}, {right} {also!r}")
    return "value", lines


def _place(fault: Fault | None) -> tuple[object, ...] | None:
    """What machines must agree on."""
    return None if fault is None else (fault.kind, fault.insn)


def _maps(case: Case, loaded: Sequence[tuple[str, Loaded]]) -> Verdict:
    lines: list[str] = []
    (first_name, first), *others = loaded
    for map_name in case.program.map_names:
        one = first.read_map(map_name)
        for name, other in others:
            lines += _entries(map_name, first_name, one, name, other.read_map(map_name))
    difference = Difference(case, "value", tuple(lines)) if lines else None
    return Verdict(difference=difference, runs=len(case.inputs))


def _entries(map_name: str, left: str, a: Entries, right: str, b: Entries) -> list[str]:
    if len(a) != len(b):
        return [f"map {map_name}: {left} has {len(a)} entries, {right} {len(b)}"]
    return [
        f"map {map_name}[{key.hex()}]: {_bytes(left, _joined(one), right, _joined(other))}"
        for (key, one), (_, other) in zip(sorted(a), sorted(b), strict=True) if one != other
    ]  # fmt: skip


def _joined(value: bytes | list[bytes]) -> bytes:
    return value if isinstance(value, bytes) else b"".join(value)


def _bytes(left: str, a: bytes, right: str, b: bytes) -> str:
    if len(a) != len(b):
        return f"{left} {len(a)} bytes, {right} {len(b)} bytes"
    at = next(place for place, pair in enumerate(zip(a, b, strict=True)) if pair[0] != pair[1])
    return f"from byte {at}: {left} {a[at : at + _SHOWN].hex()}, {right} {b[at : at + _SHOWN].hex()}"


def _crash(case: Case, name: str, doing: str, error: Exception) -> Difference:
    return Difference(case, "crash", (f"{name} at {doing} raised {type(error).__name__}: {error}",))
