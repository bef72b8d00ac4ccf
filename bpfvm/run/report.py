"""A program for people: its source with the instructions of each line, the checks that are left in it, its stack.

share (syscall): 9 slots, 0 bytes of stack
prog.py
   13      return u64(a // b)
         0: r0 = *(u32 *)(r1 +8)
         1: r2 = *(u32 *)(r1 +16)
         2: if r2 == 0x0 goto L1
         ...
         7: *(u64 *)(r1 +0) = r0   (L1)
checks: 1
   prog.py:13  ZeroDivisionError: integer division or modulo by zero
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bpfvm.core.amounts import octets
from bpfvm.lang.faults import RECORD
from bpfvm.obj.model import FaultSite, ObjectSpec, ProgramSpec
from bpfvm.run.listing import Row, labels, printable, rows

_GAP = 3  # lines without code that are shown between others; where there are more, they are left out


def report(program: ProgramSpec, spec: ObjectSpec, checked: ProgramSpec | None = None) -> str:
    """All of it. checked: the same program with records of faults, which knows its checks."""
    stack = f", {octets(program.stack)} of stack" if program.frames or program.stack else ""
    lines = [f"{program.name} ({program.type}): {program.slot_count} slots{stack}"]
    lines += [f"subprogram {one.name}: from slot {one.slot}" for one in program.functions]
    lines += _source(rows(program, spec), labels(program))
    if checked is not None:
        sites = remaining(checked)
        lines.append(f"checks: {len(sites)}")
        lines += [f"   {Path(one.source.file).name}:{one.source.line}  {one.kind}: {one.message}" for one in sites]
    for name, frame in program.frames.items():
        if frame:
            lines.append(f"stack of {name}: {octets(sum(-(-one.size // 8) * 8 for one in frame))}")
            lines += [f"   r10{one.offset:<6} {one.size:>3} bytes  {one.name}" for one in frame]
    return "\n".join(map(printable, lines))


def remaining(checked: ProgramSpec) -> list[FaultSite]:
    """The places at which a program compiled with records of faults can still end by one."""
    noted = set()
    for before, one in zip(checked.insns, checked.insns[1:], strict=False):
        if one.op.name == "st32" and before.op.name == "lddw_map_value" and before.symbol == RECORD:
            noted.add(one.imm - 1)
    return [site for number, site in enumerate(checked.fault_sites) if number in noted]


def _source(found: Sequence[Row], names: Mapping[int, str]) -> Iterator[str]:
    """Lines of source in their order, file by file, with the instructions that come of each."""
    files = dict.fromkeys(row.source.file for row in found if row.source is not None)
    unplaced = [row for row in found if row.source is None]
    for file in files:
        yield Path(file).name
        by_line: dict[int, list[Row]] = {}
        for row in found:
            if row.source is not None and row.source.file == file:
                by_line.setdefault(row.source.line, []).append(row)
        last = None
        for number in sorted(by_line):
            first = number if last is None else last + 1 if number - last <= _GAP + 1 else number
            if last is not None and first == number > last + 1:
                yield "      ..."
            for line in range(first, number + 1):
                shown = linecache.getline(file, line).rstrip() or (by_line[line][0].line if line in by_line else "")
                yield f"{line:>5}  {shown}".rstrip()
            yield from (_row(row, names) for row in by_line[number])
            last = number
    if unplaced:
        yield "of no line"
        yield from (_row(row, names) for row in unplaced)


def _row(row: Row, names: Mapping[int, str]) -> str:
    label = f"   ({names[row.slot]})" if row.slot in names else ""
    return f"{row.slot:>10}: {row.text}" + (f"  ; {row.note}" if row.note else "") + label
