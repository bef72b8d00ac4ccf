"""Coverage in terms of source lines: what LCOV and coverage.py are told of a C or Python file.

Line information says where the code of a line begins; a line counts as often as the busiest of its places. Lines that
the compiler left no code for are not executable, and code without a line is nobody's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bpfvm.core.machine import Location
from bpfvm.isa.cfg import control_flow
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec


class Counted(Protocol):
    """What a machine counted; emulator.coverage.Coverage."""

    @property
    def counts(self) -> dict[str, list[int]]: ...
    @property
    def sides(self) -> dict[str, dict[int, list[int]]]: ...
    @property
    def steps(self) -> dict[str, set[tuple[int, int]]]: ...


@dataclass(slots=True)
class Counts:
    """What several runs counted together, as a value that other processes read."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    sides: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    steps: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    def add(self, other: Counted) -> Counts:
        """Put in what another run counted, in the same object's programs."""
        for name, counts in other.counts.items():
            mine = self.counts.setdefault(name, [0] * len(counts))
            mine[:] = [a + b for a, b in zip(mine, counts, strict=True)]
        for name, sides in other.sides.items():
            known = self.sides.setdefault(name, {})
            for slot, (fell, taken) in sides.items():
                before = known.get(slot, [0, 0])
                known[slot] = [before[0] + fell, before[1] + taken]
        for name, steps in other.steps.items():
            self.steps.setdefault(name, set()).update(steps)
        return self


@dataclass(slots=True)
class Branch:
    """A conditional jump. fell, taken: how often; line: where it stands."""

    line: int
    fell: int
    taken: int


@dataclass(slots=True)
class FileCoverage:
    """One source file. lines: executable line -> how often; functions: name -> (line, calls).

    arcs: (line, line) pairs that control may follow, -1 for entry and exit; followed: those that it did.
    """

    lines: dict[int, int] = field(default_factory=dict)
    branches: list[Branch] = field(default_factory=list)
    functions: dict[str, tuple[int, int]] = field(default_factory=dict)
    arcs: set[tuple[int, int]] = field(default_factory=set)
    followed: set[tuple[int, int]] = field(default_factory=set)


def by_source(spec: ObjectSpec, counted: Counted, beside: str = "") -> dict[str, FileCoverage]:
    """Source file -> its coverage, of all programs of `spec` that ran. beside: the object's own path.

    Relative file names are looked for beside the object first, then in the working folder.
    """
    files: dict[str, FileCoverage] = {}
    for name, counts in counted.counts.items():
        program = spec.programs[name]
        places = _places(program)
        _lines(files, program, counts)
        _branches(files, places, counted.sides.get(name, {}), program)
        _arcs(files, places, program, counted.steps.get(name, set()))
        _functions(files, program, counts)
    return {_found(name, beside): one for name, one in sorted(files.items())}


def _places(program: ProgramSpec) -> list[Location | None]:
    """By slot, the source place that its code belongs to."""
    found: list[Location | None] = [None] * (program.slot_count + 1)
    current: Location | None = None
    starts = {one.slot for one in program.functions}
    for slot in range(program.slot_count):
        if slot in starts:
            current = None
        current = found[slot] = program.lines.get(slot, current)
    return found


def _lines(files: dict[str, FileCoverage], program: ProgramSpec, counts: list[int]) -> None:
    for slot, place in program.lines.items():
        if place.line:
            one = files.setdefault(place.file, FileCoverage())
            one.lines[place.line] = max(one.lines.get(place.line, 0), counts[slot])


def _branches(
    files: dict[str, FileCoverage], places: list[Location | None], sides: Mapping[int, list[int]], program: ProgramSpec
) -> None:
    for block in control_flow(program.insns).blocks:
        if len(block.edges) < 2:
            continue
        slot = block.end - 1
        place = places[slot]
        if place is not None and place.line:
            fell, taken = sides.get(slot, (0, 0))
            files[place.file].branches.append(Branch(place.line, fell, taken))


def _arcs(
    files: dict[str, FileCoverage], places: list[Location | None], program: ProgramSpec, steps: set[tuple[int, int]]
) -> None:
    """Pairs of lines of one file; a step into another file leaves the first and enters the second."""
    for pair in _possible(program):
        for file, arc in _between(places, pair):
            files[file].arcs.add(arc)
    for pair in steps:
        for file, arc in _between(places, pair):
            files[file].followed.add(arc)
    for one in files.values():
        one.arcs |= one.followed


def _possible(program: ProgramSpec) -> Iterator[tuple[int, int]]:
    graph = control_flow(program.insns)
    for function in graph.functions:
        yield -1, function.slot
    for block in graph.blocks:
        for slot in range(block.start, block.end - 1):
            yield slot, slot + 1
        for edge in block.edges:
            yield block.end - 1, graph.blocks[edge.to].start
        if not block.edges:
            yield block.end - 1, -1


def _between(places: list[Location | None], pair: tuple[int, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    before, after = (places[slot] if slot >= 0 else None for slot in pair)
    if before is not None and after is not None and before.file == after.file:
        if before.line != after.line and before.line and after.line:
            yield before.file, (before.line, after.line)
        return
    if before is not None and before.line:
        yield before.file, (before.line, -1)
    if after is not None and after.line:
        yield after.file, (-1, after.line)


def _functions(files: dict[str, FileCoverage], program: ProgramSpec, counts: list[int]) -> None:
    for one in (FunctionSpec(program.name, 0), *program.functions):
        place = program.lines.get(one.slot)
        if place is None or place.file not in files:
            continue
        functions = files[place.file].functions
        _, calls = functions.get(one.name, (0, 0))
        functions[one.name] = (place.line, calls + counts[one.slot])


def _found(name: str, beside: str) -> str:
    """The file that a name in line information means, as an absolute path where there is such a file."""
    for folder in (Path(beside).parent, Path()):
        path = folder / name
        if path.is_file():
            return os.path.abspath(path)
    return name


def lcov(files: Mapping[str, FileCoverage]) -> str:
    """The text of an LCOV tracefile (geninfo(1)): lines, functions, both sides of branches."""
    out = ["TN:"]
    for name, one in files.items():
        out.append(f"SF:{name}")
        for function, (line, _) in one.functions.items():
            out.append(f"FN:{line},{function}")
        for function, (_, calls) in one.functions.items():
            out.append(f"FNDA:{calls},{function}")
        out += [f"FNF:{len(one.functions)}", f"FNH:{sum(calls > 0 for _, calls in one.functions.values())}"]
        hit = 0
        for number, branch in enumerate(one.branches):
            ran = branch.fell + branch.taken > 0
            for side, count in enumerate((branch.fell, branch.taken)):
                out.append(f"BRDA:{branch.line},{number},{side},{count if ran else '-'}")
                hit += count > 0
        out += [f"BRF:{2 * len(one.branches)}", f"BRH:{hit}"]
        out += [f"DA:{line},{count}" for line, count in sorted(one.lines.items())]
        out += [f"LF:{len(one.lines)}", f"LH:{sum(count > 0 for count in one.lines.values())}", "end_of_record"]
    return "\n".join(out) + "\n"
