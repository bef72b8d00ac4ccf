"""What captures that were run apart add up to: one document, with each capture's own behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from bpfvm.cli import FAULTED
from bpfvm.cli.report import Report, show
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.values.contents import decode_entries
from bpfvm.run.coverage import Counts
from bpfvm.run.merge import merged
from bpfvm.tables.progs import ProgramType


@dataclass(slots=True)
class Part:
    """What came of one capture. start, maps: entries of the maps before, where that was asked for, and behind it.

    lines: what there is to be told of the capture.
    """

    report: Report
    maps: dict[str, Entries]
    start: dict[str, Entries] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """What the merged answer is about; a session has the same names."""

    spec: ObjectSpec
    program: ProgramSpec
    type: ProgramType
    engine: str

    @property
    def maps(self) -> dict[str, MapSpec]:
        """Those that users see."""
        return self.spec.visible_maps(self.program.name)

    def typed(self, maps: dict[str, Entries]) -> dict[str, dict[Any, Any]]:
        """Contents by name, as values."""
        spec = self.spec
        return {name: decode_entries(spec.maps[name], spec.btf, one, spec.endian) for name, one in maps.items()}


@dataclass(slots=True)
class Merged:
    """All captures together. parts: one for each, None where an interrupted run has none.

    apart: maps that are each capture's own because the user says so; UsageError for a name of none.
    """

    about: Together
    captures: Sequence[str]
    parts: list[Part | None]
    apart: frozenset[str]
    seconds: float = 0.0

    def __post_init__(self) -> None:
        known = self.about.maps
        for name in sorted(self.apart - set(known)):
            raise UsageError(f"--apart {name}: the program uses no such map; its maps are {', '.join(known) or 'none'}")

    @property
    def counts(self) -> Counts:
        """What all of them executed."""
        total = Counts()
        for part in self.parts:
            if part is not None and part.counts is not None:
                total.add(part.counts)
        return total

    def finish(self, target_name: str, as_json: bool) -> int:
        """Print it; the status."""
        about, report = self.about, Report()
        parts = [(path, part) for path, part in zip(self.captures, self.parts, strict=True) if part is not None]
        for _, part in parts:
            report.join(part.report)
            for line in part.lines:
                click.echo(f"bpfvm: {line}", err=True)
        report.seconds = self.seconds
        if report.runs and len(report.refused) == report.runs:
            raise Unavailable(f"engine {about.engine} could run none of {report.runs} packets: {report.refused[0][1]}")
        together = self._together([part for _, part in parts])
        document = report.document(target_name, about, about.typed(together))
        document["apart"] = [name for name in about.maps if name not in together]
        document["captures"] = [self._capture(target_name, path, part) for path, part in parts]
        if as_json:
            click.echo(json.dumps(document))
        else:
            show(document, self.captures, about)
            for name in document["apart"]:
                click.echo(f"{name}: not summed, each capture has its own: --json shows them")
        report.print_problems("packet")
        return FAULTED if report.failed else 0

    def _together(self, parts: Sequence[Part]) -> dict[str, Entries]:
        """The maps that can be merged; none where the capture that tells what they held is missing."""
        start = next((part.start for part in parts if part.start), None)
        found = {
            name: merged(one, self.about.spec.btf, start[name], [part.maps[name] for part in parts])
            for name, one in self.about.maps.items() if start is not None and name not in self.apart
        }  # fmt: skip
        return {name: entries for name, entries in found.items() if entries is not None}

    def _capture(self, target_name: str, path: str, part: Part) -> dict[str, Any]:
        """A capture's own answer, in the shape of a run's."""
        found = part.report.document(target_name, self.about, self.about.typed(part.maps))
        shared = ("target", "program", "type", "engine")
        return {"file": path, **{name: value for name, value in found.items() if name not in shared}}
