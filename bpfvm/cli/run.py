"""`bpfvm run`: a program over the packets of captures: verdicts, faults, maps."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import FAULTED, target
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Fault, Input
from bpfvm.obj.pcap import open_capture
from bpfvm.obj.values import to_json
from bpfvm.program import Program
from bpfvm.run.outcome import action_name, value_of
from bpfvm.run.session import Session

SHOWN_FAULTS = 20  # lines of faults on a terminal; JSON has all


@dataclass(slots=True)
class Report:
    """What a run over captures added up to."""

    packets: int = 0
    bytes: int = 0
    insns: int = 0
    seconds: float = 0.0
    actions: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    warnings: dict[int, Fault] = field(default_factory=dict)  # by instruction, the first of each

    @property
    def crashed(self) -> bool:
        """Whether any packet met a machine fault."""
        return any(fault.machine for _, fault in self.faults)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm run prog.o --packet capture.pcap --json. A Python TARGET is imported: its top level runs.",
)
@click.argument("target_name", metavar="TARGET")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--packet", "captures", multiple=True, required=True, metavar="FILE", help="A pcap capture; repeatable.")
@click.option("--program", metavar="NAME", help="Which program, by function or section name.")
@click.option("--engine", default="auto", show_default=True, metavar="NAME", help="auto, interp, cpython or kernel.")
@click.option("--ctx", "fields", multiple=True, metavar="FIELD=N", help="A context field, as in ingress_ifindex=3.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Stop after N packets.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    target_name: str, arguments: tuple[str, ...], captures: tuple[str, ...], program: str | None, engine: str,
    fields: tuple[str, ...], limit: int | None, as_json: bool,
) -> int:  # fmt: skip
    """Run TARGET on every packet of the captures, in order, its maps kept between packets.

    TARGET is an ELF object (prog.o) or a Python file (prog.py, prog.py:function).
    """
    chosen = target.one(target_name, program, arguments)
    if not chosen.type.number:
        section = chosen.object.programs[chosen.name].section
        raise UsageError(f"{chosen.name}: section {section!r} does not tell its program type, so it cannot be run")
    if chosen.type.layer is None:
        raise UsageError(f"{chosen.name} is a {chosen.type.name} program: it takes no packets")
    context = _fields(chosen, fields)
    report = Report()
    with chosen.session(engine) as session:
        start = time.perf_counter()
        for path in captures:
            _run_capture(session, path, context, limit, report)
        report.seconds = time.perf_counter() - start
        maps = session.maps()
    if report.packets and len(report.refused) == report.packets:
        raise Unavailable(f"engine {session.engine} could run none of {report.packets} packets: {report.refused[0][1]}")
    document = _document(chosen, target_name, session, report, maps)
    click.echo(json.dumps(document)) if as_json else _print(document, captures, session)
    for number, reason in report.refused[:SHOWN_FAULTS]:
        click.echo(f"bpfvm: packet {number} was not run: {reason}", err=True)
    if len(report.refused) > SHOWN_FAULTS:
        click.echo(f"bpfvm: {len(report.refused) - SHOWN_FAULTS} more packets were not run", err=True)
    for warning in report.warnings.values():
        click.echo(f"bpfvm: warning: {warning}", err=True)
    return FAULTED if report.crashed or report.refused else 0


def _fields(program: Program, given: tuple[str, ...]) -> dict[str, int]:
    from bpfvm.tables.ctx import CONTEXTS

    layout = CONTEXTS[program.type.context or ""]
    fields = {}
    for text in given:
        name, _, number = text.partition("=")
        known = layout.field(name)
        if known is None or known.pointer:
            settable = ", ".join(one.name for one in layout.fields if not one.pointer)
            raise UsageError(f"--ctx {text}: {layout.name} has no field {name!r} to set; it has {settable}")
        try:
            value = int(number, 0)
        except ValueError:
            raise UsageError(f"--ctx {text}: {number!r} is not a number; write {name}=3") from None
        if not 0 <= value < 1 << 8 * known.size:
            raise UsageError(f"--ctx {text}: {name} holds {8 * known.size} bits")
        fields[name] = value
    return fields


def _run_capture(session: Session, path: str, fields: Mapping[str, int], limit: int | None, report: Report) -> None:
    with open_capture(path) as capture:
        for stamp, data, _ in capture:
            if limit is not None and report.packets >= limit:
                return
            report.packets += 1
            report.bytes += len(data)
            _run_packet(session, Input(packet=bytes(data), fields=fields, clock=stamp), report)
        if capture.lost:
            click.echo(f"bpfvm: {path}: {capture.lost}", err=True)


def _run_packet(session: Session, given: Input, report: Report) -> None:
    try:
        result = session.run(given)
    except Unavailable as error:
        report.refused.append((report.packets, str(error)))
        return
    report.insns += result.insns
    report.trace += result.trace
    for warning in result.warnings:
        report.warnings.setdefault(warning.insn or 0, warning)
    if result.fault is not None:
        report.faults.append((report.packets, result.fault))
        if result.fault.machine:
            return  # it returned nothing
    value = value_of(result, session.type, None)
    report.actions[action_name(session.type, value) or str(value)] += 1


def _document(
    program: Program, target_name: str, session: Session, report: Report, maps: Mapping[str, dict[Any, Any]]
) -> dict[str, Any]:
    return {
        "target": target_name,
        "program": program.name,
        "type": program.type.name,
        "engine": session.engine,
        "packets": report.packets,
        "bytes": report.bytes,
        "actions": dict(report.actions.most_common()),
        "faults": [{"packet": number, **_fault(fault)} for number, fault in report.faults],
        "maps": {
            name: [{"key": to_json(key), "value": to_json(value)} for key, value in contents.items()]
            for name, contents in maps.items()
        },
        "trace": report.trace,
        "insns": report.insns,
        "seconds": round(report.seconds, 6),
        "warnings": [_fault(warning) for warning in report.warnings.values()],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "insn": fault.insn,
        "source": str(fault.source) if fault.source else None,
        "message": f"{fault.kind}: {fault.message}",
    }


def _print(document: Mapping[str, Any], captures: tuple[str, ...], session: Session) -> None:
    files = ", ".join(Path(path).name for path in captures)
    click.echo(
        f"{document['program']} ({document['type']}) on {files}: {document['packets']} packets, "
        f"{document['bytes']} bytes, engine {document['engine']}"
    )
    for action, count in document["actions"].items():
        click.echo(f"  {action:<14} {count:>8}")
    for fault in document["faults"][:SHOWN_FAULTS]:
        click.echo(f"  fault in packet {fault['packet']}: {_near(fault)}: {fault['message']}")
    if len(document["faults"]) > SHOWN_FAULTS:
        click.echo(f"  … and {len(document['faults']) - SHOWN_FAULTS} more faults")
    for name, entries in document["maps"].items():
        _print_map(name, entries, session)
    for line in document["trace"]:
        click.echo(line)


def _near(fault: Mapping[str, Any]) -> str:
    """Where a fault happened, a file below this folder by its relative path."""
    if fault["source"] is None:
        return f"instruction {fault['insn']}"
    path, _, line = fault["source"].rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return str(fault["source"])


def _print_map(name: str, entries: list[dict[str, Any]], session: Session) -> None:
    spec = session.spec.maps[name]
    shown = [entry for entry in entries if _matters(entry["value"])] if spec.type == "array" else entries
    hidden = len(entries) - len(shown)
    click.echo(
        f"{name} ({spec.type}, {spec.max_entries} entries{f'; {hidden} that are 0 not shown' if hidden else ''})"
    )
    for entry in shown:
        click.echo(f"  {_text(entry['key']):>14} {_text(entry['value']):>8}")


def _matters(value: Any) -> bool:
    """Whether a value holds anything but zeros."""
    if isinstance(value, dict):
        return any(map(_matters, value.values()))
    if isinstance(value, list):
        return any(map(_matters, value))
    return bool(value.strip("0") if isinstance(value, str) else value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
