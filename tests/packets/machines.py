"""One C program over packets on several engines: what is compared, and what it came to."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bpfvm.core.bits import M32
from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.kernel.runs.packets import elements
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.run.backend import Backend, Loaded
from bpfvm.tables.ctx import CONTEXTS, STRUCTURES
from bpfvm.tables.progs import BY_NAME
from bpfvm.tables.sections import of_section

FOLDER = Path(__file__).resolve().parent
UNREADABLE = ("ringbuf", "perf_event_array", "prog_array", "stack_trace", "xskmap", "devmap", "devmap_hash", "cpumap")


@dataclass(frozen=True, slots=True)
class Case:
    """One program of an object of this folder.

    maps: contents to begin with, by name. per_cpu: the same of maps with a value for each CPU, given once.
    fields: context fields of every run. unlike: maps that are not compared, with the reason in a comment.
    """

    file: str
    program: str
    maps: Mapping[str, Entries] = field(default_factory=dict)
    per_cpu: Mapping[str, Sequence[tuple[bytes, bytes]]] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)
    unlike: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.program}"

    @property
    def spec(self) -> ObjectSpec:
        return read_object(FOLDER / self.file)

    def contents(self, cpus: int) -> dict[str, Entries]:
        """What goes into the maps of a machine with so many CPUs."""
        each: dict[str, Entries] = {
            name: [(key, [value] * cpus) for key, value in rows] for name, rows in self.per_cpu.items()
        }
        return {**self.maps, **each}


def captured(path: Path, most: int) -> Iterator[bytes]:
    """The first packets of a capture of Ethernet."""
    with open_capture(path) as capture:
        for _, packet, _ in capture:
            if capture.link != 1 or most <= 0:
                return
            most -= 1
            yield bytes(packet)


def input_of(case: Case, layer: str, frame: bytes, number: int) -> Input:
    """One run's input. Programs behind the Ethernet header get the packet behind it."""
    return Input(packet=frame if layer == "eth" else frame[14:], fields=case.fields, clock=1_000_000 * number)


def ended(result: Result, fields: Sequence[str]) -> tuple[object, ...]:
    """What is compared of a run: a verdict is 32 bits; fields are those that both machines know."""
    known = {name: result.fields[name] for name in fields}
    events = {name: records for name, records in result.events.items() if records}
    return result.r0 & M32, result.packet, known, events, result.fault


def unseen(result: Result) -> tuple[str | None, tuple[str, ...], int]:
    """What is compared between tiers, because BPF_PROG_TEST_RUN does not show it: redirect, trace, instructions."""
    return result.redirect, result.trace, result.insns


def readable(case: Case, spec: ObjectSpec) -> list[str]:
    """Maps whose contents are compared in the end."""
    return [
        one for one in spec.maps_of(case.program) if spec.maps[one].type not in UNREADABLE and one not in case.unlike
    ]


def shown(case: Case) -> list[str]:
    """The context fields that all engines show: BPF_PROG_TEST_RUN gives them back, the program's type may read them."""
    program = case.spec.programs[case.program]
    if program.type == "flow_dissector":
        return list(elements(STRUCTURES["bpf_flow_keys"]))
    layout = CONTEXTS[BY_NAME[program.type].context or ""]
    attach, found = of_section(program.section).attach_type, []
    for name, (at, size) in elements(layout).items():
        row = layout.field(name.partition("[")[0])
        if (
            row is not None
            and row.given
            and name != "gso_size"
            and layout.access(at, size, False, program.type, attach)
        ):
            found.append(name)
    return [*found, "data_meta"] if program.type == "xdp" else found


def compare(case: Case, layer: str, engines: Sequence[Backend], cpus: int, frames: Sequence[bytes]) -> Counter[str]:
    """Run every frame on every engine, the last of which is right. AssertionError names program, packet and engine.

    Counted: packets, those compared and why not the others, those past the first branch (that took more instructions
    than the shortest run), those that went other ways than most (verdict, packet changed or not), maps, entries.
    """
    spec, counts = case.spec, Counter[str]()
    machines: list[Loaded] = [one.load(spec, case.program, case.contents(cpus)) for one in engines]
    ways: Counter[tuple[int, bool]] = Counter()  # verdict, and whether the packet is as it was
    lengths: list[int] = []
    for number, frame in enumerate(frames):
        counts["packets"] += 1
        given = input_of(case, layer, frame, number)
        try:
            want = machines[-1].run(given)
        except Unavailable as reason:
            counts[f"not run: {re.sub('[0-9]+', 'N', str(reason))[:120]}"] += 1
            continue
        counts["compared"] += 1
        ways[want.r0 & M32, want.packet == given.packet] += 1
        told = [unseen(want)] if engines[-1].name != "kernel" else []
        for engine, machine in zip(engines[:-1], machines, strict=False):
            result = machine.run(given)
            told.append(unseen(result))
            names = [name for name in want.fields if name in result.fields]
            found, wanted = ended(result, names), ended(want, names)
            lengths += [result.insns] if machine is machines[0] else []
            assert found == wanted, f"{case}, packet {number} ({frame.hex()}), {engine.name}:\n{found}\n{wanted}"
        assert told == told[:1] * len(told), f"{case}, packet {number} ({frame.hex()}), tiers:\n{told}"
        counts["redirects"], counts["lines"] = counts["redirects"] + bool(told[0][0]), counts["lines"] + len(told[0][1])
    for name in readable(case, spec):
        last = machines[-1].read_map(name)
        for engine, machine in zip(engines[:-1], machines, strict=False):
            assert machine.read_map(name) == last, f"{case}: map {name} on {engine.name}"
        counts["maps"] += 1
        counts["entries"] += len(last)
    for machine in machines:
        machine.close()
    counts["past the first branch"] = sum(one > min(lengths) for one in lengths)
    counts["other ways"] = counts["compared"] - max(ways.values(), default=0)
    return counts


def digest(case: Case, layer: str, engine: Backend, cpus: int, frames: Sequence[bytes]) -> str:
    """A number for all that a program made of the frames: verdicts, packets, context fields, events, maps."""
    total = hashlib.sha256()
    spec, fields = case.spec, shown(case)
    machine = engine.load(spec, case.program, case.contents(cpus))
    for number, frame in enumerate(frames):
        try:
            result = machine.run(input_of(case, layer, frame, number))
        except Unavailable:
            continue
        total.update(repr(ended(result, fields)).encode())
    for name in readable(case, spec):
        total.update(repr((name, machine.read_map(name))).encode())
    machine.close()
    return total.hexdigest()[:16]
