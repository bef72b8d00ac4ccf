"""What a run over many inputs adds up to: as one JSON document, and as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from bpfvm.core.amounts import octets
from bpfvm.core.machine import Fault, Result
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.values.contents import to_json
from bpfvm.run.session import Session
from bpfvm.tables.progs import ProgramType

if TYPE_CHECKING:
    from bpfvm.emulator.native.captures.batch import Slice

SHOWN = 20  # lines of faults and of inputs that were not run, on a terminal; JSON has all faults
Maps = Mapping[str, Mapping[Any, Any]]


class Subject(Protocol):
    """What a report is about: a session, or one program's runs in several processes."""

    @property
    def spec(self) -> ObjectSpec: ...
    @property
    def program(self) -> ProgramSpec: ...
    @property
    def type(self) -> ProgramType: ...
    @property
    def engine(self) -> str: ...


@dataclass(slots=True)
class Report:
    """Counts, and what was out of the ordinary. Inputs count from 1."""

    runs: int = 0
    bytes: int = 0
    insns: int = 0
    seconds: float = 0.0
    actions: Counter[str] = field(default_factory=Counter)
    redirects: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)
    warnings: dict[int, Fault] = field(default_factory=dict)  # by instruction, the first of each
    checked: int | None = None  # inputs that were run on engine interp, too, where that was asked for
    unequal: list[tuple[int, list[str]]] = field(default_factory=list)  # those that came out otherwise there

    @property
    def crashed(self) -> bool:
        """Whether any run met a machine fault."""
        return any(fault.machine for _, fault in self.faults)

    @property
    def failed(self) -> bool:
        """Whether the command has to end as one that found something wrong."""
        return self.crashed or bool(self.refused) or bool(self.unequal)

    @property
    def ended(self) -> int:
        """How many inputs are counted: one fewer than `runs` while one runs."""
        return self.actions.total() + sum(fault.machine for _, fault in self.faults) + len(self.refused)

    def refuse(self, reason: str) -> None:
        """The input could not be run."""
        self.refused.append((self.runs, reason))

    def add(self, result: Result, session: Session) -> str:
        """Count one run; in words, how it ended."""
        self.insns += result.insns
        self.trace += result.trace
        self._keep(result)
        for warning in result.warnings:
            self.warnings.setdefault(warning.insn or 0, warning)
        if result.fault is not None:
            self.faults.append((self.runs, result.fault))
            if result.fault.machine:
                return str(result.fault)  # it returned nothing
        value = session.value_of(result)
        action = session.type.action(value) or str(value)
        self.actions[action] += 1
        if result.redirect is not None:
            self.redirects[result.redirect] += 1
            action = f"{action} to {result.redirect}"
        return action if result.fault is None else f"{action}: {result.fault}"

    def _keep(self, found: Result | Slice) -> None:
        """Note the records that were written."""
        self.lost.update(found.lost)
        for name, records in found.events.items():
            self.events.setdefault(name, []).extend(record.hex() for record in records)

    def add_slice(self, found: Slice, session: Session) -> None:
        """Count what many packets added up to."""
        self.runs += found.packets
        self.bytes += found.bytes
        self.insns += found.insns
        self._keep(found)
        counts = dict(found.actions)
        if found.value is not None:
            counts[found.value] = counts.get(found.value, 0) + 1
        for value, count in counts.items():
            self.actions[session.type.action(value) or str(value)] += count
        if found.fault is not None:
            self.faults.append((self.runs, found.fault))
        self.faults += [(self.runs - found.packets + 1 + number, fault) for number, fault in found.faults]

    def join(self, other: Report) -> None:
        """Count what another run counted of inputs that follow these; its inputs count on from here."""
        before = self.runs
        for name in ("runs", "bytes", "insns", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("actions", "redirects", "lost"):
            getattr(self, name).update(getattr(other, name))
        self.faults += [(before + number, fault) for number, fault in other.faults]
        self.refused += [(before + number, reason) for number, reason in other.refused]
        self.unequal += [(before + number, lines) for number, lines in other.unequal]
        if other.checked is not None:
            self.checked = (self.checked or 0) + other.checked
        self.trace += other.trace
        for name, records in other.events.items():
            self.events.setdefault(name, []).extend(records)
        for insn, warning in other.warnings.items():
            self.warnings.setdefault(insn, warning)

    def document(self, target: str, session: Subject, maps: Maps) -> dict[str, Any]:
        """All of it, ready for JSON."""
        packets = session.type.layer is not None
        found = {
            "target": target,
            "program": session.program.name,
            "type": session.type.name,
            "engine": session.engine,
            "packets": self.runs if packets else 0,
            "bytes": self.bytes,
            "actions": dict(sorted(self.actions.items(), key=lambda one: (-one[1], one[0]))),
            "faults": [{"packet": number, **_fault(fault)} for number, fault in self.faults],
            "maps": {
                name: [{"key": to_json(key), "value": to_json(value)} for key, value in contents.items()]
                for name, contents in maps.items()
            },
            "trace": self.trace,
            "insns": self.insns,
            "seconds": round(self.seconds, 6),
            "warnings": [_fault(warning) for warning in self.warnings.values()],
        }
        extra = {
            "runs": 0 if packets else self.runs,
            "redirects": dict(self.redirects.most_common()),
            "events": self.events,
            "lost": dict(self.lost),
        }
        if self.checked is not None:
            unequal = [{"packet": number, "lines": lines} for number, lines in self.unequal]
            found["checked"] = {"packets": self.checked, "differences": unequal}
        return {**found, **{name: value for name, value in extra.items() if value}}

    def print_problems(self, what: str) -> None:
        """On standard error: inputs that were not run, and warnings."""
        for number, reason in self.refused[:SHOWN]:
            click.echo(f"bpfvm: {what} {number} was not run: {reason}", err=True)
        if len(self.refused) > SHOWN:
            click.echo(f"bpfvm: {len(self.refused) - SHOWN} more were not run", err=True)
        for warning in self.warnings.values():
            click.echo(f"bpfvm: warning: {warning}", err=True)


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "insn": fault.insn,
        "source": str(fault.source) if fault.source else None,
        "message": f"{fault.kind}: {fault.message}",
    }


def show(document: Mapping[str, Any], sources: Sequence[str], session: Subject) -> None:
    """The document as text on standard output."""
    files = ", ".join(Path(path).name for path in sources)
    counted = f"{document['packets']} packets" if "runs" not in document else f"{document['runs']} runs"
    click.echo(
        f"{document['program']} ({document['type']}){' on ' if files else ''}{files}: {counted}, "
        f"{octets(document['bytes'])}, engine {document['engine']}"
    )
    for action, count in document["actions"].items():
        click.echo(f"  {action:<14} {count:>8}")
    for place, count in document.get("redirects", {}).items():
        click.echo(f"  to {place:<11} {count:>8}")
    for fault in document["faults"][:SHOWN]:
        click.echo(f"  fault in packet {fault['packet']}: {_near(fault)}: {fault['message']}")
    if len(document["faults"]) > SHOWN:
        click.echo(f"  … and {len(document['faults']) - SHOWN} more faults")
    for name, entries in document["maps"].items():
        show_map(name, session.spec.maps[name], entries)
    for name, records in document.get("events", {}).items():
        click.echo(f"{name}: {len(records)} records, {document.get('lost', {}).get(name, 0)} lost")
        for record in records[:SHOWN]:
            click.echo(f"  {record}")
    for line in document["trace"]:
        click.echo(line)
    if "checked" in document:
        _show_checked(document["checked"])


def _show_checked(found: Mapping[str, Any]) -> None:
    differences = found["differences"]
    click.echo(f"{found['packets']} packets run on engine interp, too: {len(differences)} differ")
    for one in differences[:SHOWN]:
        click.echo(f"  packet {one['packet']}: {'; '.join(one['lines'])}")
    if len(differences) > SHOWN:
        click.echo(f"  … and {len(differences) - SHOWN} more")


def _near(fault: Mapping[str, Any]) -> str:
    """Where a fault happened, a file below this folder by its relative path."""
    if fault["source"] is None:
        return f"instruction {fault['insn']}"
    path, _, line = fault["source"].rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return str(fault["source"])


def show_map(name: str, spec: MapSpec, entries: list[dict[str, Any]]) -> None:
    """A map's contents as text; of arrays, what is not 0."""
    by_index = spec.type in ("array", "percpu_array")
    shown = [entry for entry in entries if _matters(entry["value"])] if by_index else entries
    hidden = len(entries) - len(shown)
    size = f"{spec.max_entries} entr{'y' if spec.max_entries == 1 else 'ies'}"
    verb = "is" if hidden == 1 else "are"
    click.echo(f"{name} ({spec.type}, {size}{f'; {hidden} that {verb} 0 not shown' if hidden else ''})")
    if shown:
        click.echo("\n".join(f"  {_text(entry['key']):>14} {_text(entry['value']):>8}" for entry in shown))


def _matters(value: Any) -> bool:
    """Whether a value holds anything but zeros."""
    if isinstance(value, dict):
        return any(map(_matters, value.values()))
    if isinstance(value, list):
        return any(map(_matters, value))
    return bool(value.strip("0") if isinstance(value, str) else value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
