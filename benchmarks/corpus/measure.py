"""What both compilers make of the corpus: slots, stack, the verifier's work, instructions executed on made inputs."""

from __future__ import annotations

import ast
import math
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus.halves import Refused, c_half, contents, inputs, python_half
from benchmarks.corpus.manifest import FOLDER, ROWS, Row
from bpfvm.core.errors import BpfvmError
from bpfvm.emulator import INTERP
from bpfvm.kernel.objects.statistics import Statistics, statistics
from bpfvm.obj.model import ObjectSpec

TABLE = FOLDER / "table.txt"
REFUSED = "does not compile"
CASTS = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64")
_HEAD = f"{'program':<16}{'slots':>12}{'':>6}{'stack':>11}{'processed':>15}{'states':>11}{'executed':>15}"


@dataclass(frozen=True, slots=True)
class Half:
    """All programs of one half together. executed: instructions per input, None without inputs.

    verified: the kernel's statistics added up, or why it has none.
    """

    slots: int
    executed: float | None
    verified: Statistics | str


@dataclass(frozen=True, slots=True)
class Measured:
    """A row's halves; ours is why there is none where the Python half does not compile."""

    row: Row
    ours: Half | Refused
    clang: Half

    @property
    def ratio(self) -> float | None:
        """Our slots to clang's."""
        return self.ours.slots / self.clang.slots if isinstance(self.ours, Half) else None


def measured(row: Row) -> Measured:
    try:
        ours: Half | Refused = _half(row, python_half(row))
    except Refused as refused:
        ours = refused
    return Measured(row, ours, _half(row, c_half(row)))


def _half(row: Row, spec: ObjectSpec) -> Half:
    slots = sum(one.slot_count for one in spec.programs.values())
    return Half(slots, _executed(row, spec), _verified(spec))


def _executed(row: Row, spec: ObjectSpec) -> float | None:
    if not (row.inputs or row.arguments):
        return None
    with INTERP.load(spec, row.entry, contents(row, spec)) as loaded:
        lengths = [loaded.run(given).insns for given in inputs(row)]
    return sum(lengths) / len(lengths)


def _verified(spec: ObjectSpec) -> Statistics | str:
    found = []
    for name in spec.programs:
        try:
            found.append(statistics(spec, name))
        except BpfvmError as error:
            return str(error).splitlines()[0]
    return Statistics(
        sum(one.processed for one in found), sum(one.states for one in found), sum(one.peak for one in found),
        max(one.stack for one in found),
    )  # fmt: skip


def refused_names() -> frozenset[str]:
    """The programs that do not compile, as table.txt has it."""
    return frozenset(line.split()[0] for line in TABLE.read_text().splitlines() if f"  {REFUSED}: " in line)


def geomean(ratios: Iterable[float]) -> float:
    """NaN of none."""
    logs = [math.log(one) for one in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def table(found: Sequence[Measured]) -> list[str]:
    """Lines: a row for each program, its figures ours / clang's, by group; geomeans; why a row has none."""
    lines = [f"ours / clang-19 -O2 -mcpu=v3; the verifier of Linux {'.'.join(platform.release().split('.')[:2])}"]
    for group in dict.fromkeys(one.row.group for one in found):
        members = [one for one in found if one.row.group == group]
        lines += ["", f"{group}", _HEAD, *map(_line, members), _mean(group, members)]
    lines += ["", _mean("all", found), *_pace(found), *_told(found)]
    return [line.rstrip() for line in lines]


def _line(one: Measured) -> str:
    ours, clang = one.ours, one.clang
    if not isinstance(ours, Half):
        return f"{one.row.name:<16}{'- / ' + str(clang.slots):>12}  {REFUSED}: {ours}"
    stack, processed, states = (_pair(ours.verified, clang.verified, name) for name in ("stack", "processed", "states"))
    executed = "-"
    if ours.executed is not None and clang.executed is not None:
        executed = f"{ours.executed:.1f} / {clang.executed:.1f}"
    return (
        f"{one.row.name:<16}{f'{ours.slots} / {clang.slots}':>12}{one.ratio or 0:>6.2f}{stack:>11}{processed:>15}"
        f"{states:>11}{executed:>15}"
    )


def _pair(ours: Statistics | str, clang: Statistics | str, name: str) -> str:
    return " / ".join("-" if isinstance(one, str) else str(getattr(one, name)) for one in (ours, clang))


def _mean(name: str, found: Sequence[Measured]) -> str:
    ratios = [one.ratio for one in found if one.ratio is not None]
    walked, ran = [], []
    for one in found:
        if not isinstance(one.ours, Half):
            continue
        if isinstance(one.ours.verified, Statistics) and isinstance(one.clang.verified, Statistics):
            walked.append(one.ours.verified.processed / one.clang.verified.processed)
        if one.ours.executed and one.clang.executed:
            ran.append(one.ours.executed / one.clang.executed)
    return (
        f"geomean of {name}: {len(ratios)} of {len(found)} compile; slots {geomean(ratios):.3f}, "
        f"processed {geomean(walked):.3f}, executed {geomean(ran):.3f}"
    )


def _pace(found: Sequence[Measured]) -> list[str]:
    """How often users had to convert, and what the compiler refused."""
    lines = casts = 0
    for one in found:
        more, written = counted(one.row.python)
        lines, casts = lines + more, casts + written
    codes = Counter(
        diag.code
        for one in found
        if isinstance(one.ours, Refused)
        for diag in one.ours.diags
        if diag.severity == "error"
    )
    shown = ", ".join(f"{code} {count}" for code, count in codes.most_common()) or "none"
    return [
        f"Python halves: {lines} lines in functions, {casts} casts ({casts * 100 / lines:.2f} per 100 lines), "
        f"E040 {codes['E040']} ({codes['E040'] * 100 / lines:.2f} per 100 lines)",
        f"errors by code: {shown}",
    ]


def counted(path: Path) -> tuple[int, int]:
    """Lines of code in a file's functions, and calls of storage types in them."""
    lines: set[int] = set()
    casts = 0
    for function in (one for one in ast.parse(path.read_text()).body if isinstance(one, ast.FunctionDef)):
        for statement in function.body:
            for node in ast.walk(statement):
                lines |= {node.lineno} if isinstance(node, ast.stmt | ast.expr) else set()
                casts += isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CASTS
    return len(lines), casts


def _told(found: Sequence[Measured]) -> list[str]:
    """Why the kernel took a half not, each reason once."""
    reasons: dict[str, None] = {}
    for one in found:
        for side, half in (("ours", one.ours), ("clang's", one.clang)):
            if isinstance(half, Half) and isinstance(half.verified, str):
                reasons[f"{one.row.name} ({side}): {half.verified}"] = None
    return list(reasons)


def main() -> None:
    """Print the table."""
    print("\n".join(table([measured(row) for row in ROWS])))
