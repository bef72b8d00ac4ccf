"""Runs sequences of map operations on several machines and tells what differs: every answer, and the contents after it.

    report = differ(("interp", "kernel"), seed=1, operations=50_000)

What a machine does not have is counted by its reason and not compared.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.emulator.maps import TYPES
from bpfvm.fuzz.maps import generate
from bpfvm.fuzz.maps.machine import Machine, backends, cpus
from bpfvm.fuzz.maps.operation import Answer, Operation, Sequence, shape
from bpfvm.fuzz.maps.program import BATCH
from bpfvm.run.backend import Backend
from bpfvm.tables.maps import flag_bits

LENGTH = 1000  # operations of one sequence
MOST = 10  # differences after which a run stops


@dataclass(frozen=True, slots=True)
class Difference:
    """A sequence on which machines do not agree, up to the operation that tells; all of it where only contents differ.

    lines: what differs, for a person.
    """

    case: Sequence
    lines: tuple[str, ...]

    def __str__(self) -> str:
        words = [f"{self.case.name}, {shape(self.case.map)}: {len(self.case.operations)} operations"]
        words += [f"    {one}" for one in self.case.operations[-12:]]
        return "\n".join([*words, *(f"  {line}" for line in self.lines)])


@dataclass(slots=True)
class Report:
    """done: operations compared, by type, side and name. negative: those of them whose answer was an errno."""

    engines: tuple[str, ...]
    seed: int
    sequences: int = 0
    seconds: float = 0.0
    done: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    negative: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """Operations."""
        return self.done.total()

    @property
    def types(self) -> Counter[str]:
        """Operations compared, by type."""
        found: Counter[str] = Counter()
        for (kind, _, _), count in self.done.items():
            found[kind] += count
        return found

    def document(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "engines": list(self.engines),
            "seed": self.seed,
            "sequences": self.sequences,
            "compared": self.compared,
            "seconds": round(self.seconds, 3),
            "types": dict(sorted(self.types.items())),
            "operations": {" ".join(words): count for words, count in sorted(self.done.items())},
            "errors": {" ".join(words): count for words, count in sorted(self.negative.items())},
            "rejected": dict(self.rejected.most_common()),
            "left_out": left_out(),
            "differences": [
                {"case": one.case.name, "operations": len(one.case.operations), "lines": list(one.lines)}
                for one in self.differences
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}, engines {', '.join(self.engines)}: {self.sequences} sequences, {self.compared} "
            f"operations compared in {self.seconds:.1f} s"
        ]
        for kind, count in sorted(self.types.items()):
            lines.append(f"  {count:>7} {kind}: {', '.join(self._counts(kind))}")
        lines += [f"  not compared {count:>6}: {reason}" for reason, count in self.rejected.most_common()]
        lines += [f"  left out: {kind}: {reason}" for kind, reason in left_out().items()]
        lines.append(f"  {len(self.differences)} differences")
        return "\n".join([*lines, *(f"  {one}" for one in self.differences)])

    def _counts(self, kind: str) -> Iterator[str]:
        for what, count in sorted(self.done.items()):
            if what[0] == kind:
                errors = self.negative[what]
                yield f"{what[1]} {what[2]} {count}" + (f" ({errors} errors)" if errors else "")


def left_out() -> dict[str, str]:
    """Types that the emulator has and that are not fuzzed, with the reason."""
    return {name: generate.LEFT_OUT.get(name, "nobody made declarations for it") for name in sorted(TYPES)
            if name not in generate.SHAPES}  # fmt: skip


def lacking(report: Report, operations: int | None) -> list[str]:
    """A line for each type of which fewer operations were compared than were asked for."""
    return [
        f"{kind}: {report.types[kind]} of {operations} operations compared"
        for kind in generate.SHAPES if operations is not None and report.types[kind] < operations
    ]  # fmt: skip


def differ(
    engines: Many[str | Backend], seed: int, operations: int | None = None, seconds: float | None = None, *,
    types: Many[str] | None = None, length: int = LENGTH, progress: Callable[[Report], None] | None = None,
    report: Report | None = None,
) -> Report:  # fmt: skip
    """Compare sequences, type by type in turn, until `operations` of each type are compared or `seconds` are over.

    MOST differences end it, too. report: one to go on with, so that a run that is interrupted leaves what it found.
    """
    names = tuple(one if isinstance(one, str) else one.name for one in engines)
    report = report if report is not None else Report(names, seed)
    machines, count = backends(engines), cpus(names)
    start, number = time.monotonic(), 0
    waiting = list(types if types is not None else generate.SHAPES)
    while waiting and len(report.differences) < MOST:
        for kind in list(waiting):
            report.seconds = time.monotonic() - start
            if seconds is not None and report.seconds >= seconds:
                return report
            left = None if operations is None else operations - report.types[kind]
            if left is not None and (left <= 0 or number * length >= 2 * (operations or 0) + length):
                waiting.remove(kind)
                continue
            _one(report, machines, generate.sequence(kind, seed, number, min(length, left or length), count))
            if progress is not None:
                progress(report)
        number += 1
    report.seconds = time.monotonic() - start
    return report


def _one(report: Report, machines: Many[Backend], case: Sequence) -> None:
    report.sequences += 1
    try:
        found = compare(machines, case, report)
    except BpfvmError as error:
        report.rejected[f"{case.map.type}: {error}"] += 1
        return
    if found is not None:
        report.differences.append(found)


def compare(machines: Many[Backend], case: Sequence, report: Report | None = None) -> Difference | None:
    """What differs first, or None. BpfvmError where a machine cannot run it. report: where answers count."""
    try:
        return _compared(machines, case, report)
    except BpfvmError:
        raise
    except Exception as error:  # whatever a machine raises is what is looked for
        return Difference(case, (f"a machine raised {type(error).__name__}: {error}",))


def _compared(machines: Many[Backend], case: Sequence, report: Report | None) -> Difference | None:
    with ExitStack() as opened:
        running: list[tuple[str, Machine]] = []
        for backend in machines:
            one = Machine(backend, case)
            opened.callback(one.close)
            running.append((backend.name, one))
        at = 0
        for batch in batches(case.operations):
            answers = [(name, machine.answers(batch)) for name, machine in running]
            wrong = _first(answers)
            _count(report, case, batch[:wrong], answers[0][1])
            if wrong is not None:
                lines = tuple(f"{name}: {_words(found[wrong])}" for name, found in answers)
                return Difference(replace(case, operations=case.operations[: at + wrong + 1]), lines)
            at += len(batch)
        if _hidden(case):
            if report is not None:
                report.rejected[f"{shape(case.map)}: contents at the end: user space may not read them"] += 1
            return None
        held = [(name, machine.contents()) for name, machine in running]
    if any(found != held[0][1] for _, found in held[1:]):
        return Difference(case, tuple(f"{name} holds {_entries(found)}" for name, found in held))
    return None


def _hidden(case: Sequence) -> bool:
    """Whether user space may not read the contents; those of queues and stacks are read by taking them out."""
    rings = case.map.type in ("queue", "stack")
    return bool(case.map.flags & (flag_bits("rdonly wronly") if rings else flag_bits("wronly")))


def batches(operations: Many[Operation]) -> Iterator[Many[Operation]]:
    """What can be done at once: one side, one CPU, as many as a program does in one run."""
    start = 0
    for at, one in enumerate(operations):
        first = operations[start]
        if at - start == BATCH or (one.side, one.cpu) != (first.side, first.cpu):
            yield operations[start:at]
            start = at
    if operations:
        yield operations[start:]


def _first(answers: Many[tuple[str, list[Answer]]]) -> int | None:
    """The first operation that is not answered alike."""
    first = answers[0][1]
    for number, mine in enumerate(first):
        if any(others[number] != mine for _, others in answers[1:]):
            return number
    return None


def _count(report: Report | None, case: Sequence, batch: Many[Operation], answers: list[Answer]) -> None:
    if report is None:
        return
    for one, (number, _) in zip(batch, answers, strict=False):
        what = case.map.type, one.side, one.name
        report.done[what] += 1
        report.negative[what] += number < 0


def _words(answer: Answer) -> str:
    number, value = answer
    return f"{number} {(value if isinstance(value, bytes) else b'|'.join(value)).hex()}"


def _entries(found: Many[tuple[bytes, bytes | list[bytes]]]) -> str:
    shown = [f"{key.hex()}: {(value if isinstance(value, bytes) else b'|'.join(value)).hex()}" for key, value in found]
    return f"{len(found)} entries: {'; '.join(shown[:8])}"
