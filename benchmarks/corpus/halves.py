"""The two halves of a program as objects, and what they make of the same inputs."""

from __future__ import annotations

import importlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.corpus.frames import frames
from benchmarks.corpus.manifest import Row
from bpfvm.core.bits import M32
from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.errors import BpfvmError, Unavailable
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.program import Program, compile_object
from bpfvm.run.backend import Backend, Loaded
from bpfvm.tables.progs import BY_NAME
from bpfvm.verifier.program.object import verify

UNREADABLE = ("ringbuf", "perf_event_array", "prog_array", "array_of_maps", "bloom_filter", "stack_trace")
BUDGET = 20_000  # instructions that the model walks of a program
CALLS = 48  # inputs of a function of numbers
EDGES = (0, 1, 2, 3, 7, 100, 255, 365, 0x7FFF, 0xFFFF, 1 << 31, M32, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


class Refused(Exception):
    """The Python half does not compile: the first error's code and words. diags: all errors, where it got so far."""

    def __init__(self, code: str, words: str, diags: Sequence[Diag] = ()) -> None:
        super().__init__(f"{code} {words}")
        self.diags = tuple(diags)


@dataclass(slots=True)
class Differences:
    """counts: inputs compared and why others were not, maps and entries. found: a line for each difference."""

    counts: Counter[str]
    found: list[str]


def c_half(row: Row) -> ObjectSpec:
    """What clang made of it."""
    return read_object(str(row.object))


def programs(row: Row) -> list[Program]:
    """The programs of the Python half, in the order of its text. Raises Refused where it cannot be imported."""
    try:
        module = importlib.import_module(f"benchmarks.corpus.python.{row.name}")
    except (ImportError, AttributeError, TypeError, BpfvmError) as error:
        raise Refused(type(error).__name__, str(error).splitlines()[0].partition("; it has")[0]) from error
    return [one for one in vars(module).values() if isinstance(one, Program)]


def python_half(row: Row) -> ObjectSpec:
    """What the compiler makes of it, and the model of the verifier takes. Raises Refused."""
    try:
        spec = compile_object(programs(row)).spec
    except CompileError as error:
        first = error.diags[0]
        place = f"line {first.span.line}: " if first.span is not None else ""
        raise Refused(first.code, f"{place}{first.message}", error.diags) from error
    except BpfvmError as error:
        raise Refused(type(error).__name__, str(error).splitlines()[0]) from error
    for name in spec.programs:
        found = verify(spec, name, budget=BUDGET)
        if found.verdict == "reject":
            raise Refused("the verifier", f"{name}: {found.message}")
    return spec


def arguments(row: Row, count: int = CALLS) -> Iterator[tuple[int, ...]]:
    """Arguments of a function of numbers: edges, and numbers of chance, the same each time."""
    chance = random.Random(row.name)
    for _ in range(count):
        words = [
            chance.choice(EDGES) if chance.random() < 0.5 else chance.getrandbits(chance.randint(1, 64))
            for _ in row.arguments
        ]
        yield tuple(word & (1 << bits) - 1 for word, bits in zip(words, row.arguments, strict=True))


def inputs(row: Row, packets: Iterable[bytes] | None = None) -> Iterator[Input]:
    """The inputs of a row, one after another: made ones, or those packets of Ethernet instead."""
    if row.arguments:
        for given in arguments(row):
            yield Input(ctx=b"".join(one.to_bytes(8, "little") for one in (0, *given)))
        return
    skipped = 0 if BY_NAME[row.type].layer == "eth" else 14
    for number, packet in enumerate(frames(row.inputs) if packets is None else packets):
        yield Input(packet=packet[skipped:], fields=row.fields, clock=1_000_000_000 + 250_000 * number)


def ended(row: Row, result: Result) -> tuple[object, ...]:
    """What is compared of a run: of a function the result, else verdict, packet, context, events."""
    if row.arguments:
        return ((result.ctx or b"")[:8], result.fault)
    events = {name: records for name, records in result.events.items() if records}
    return result.r0 & M32, result.packet, dict(result.fields), events, result.fault


def contents(row: Row, spec: ObjectSpec) -> dict[str, Entries]:
    """What the maps of a half hold at first."""
    return {name: entries for name, entries in row.contents.items() if name in spec.maps}


def compare(
    row: Row, ours: ObjectSpec, theirs: ObjectSpec, engine: Backend, packets: Sequence[bytes] | None = None
) -> Differences:
    """Both halves on one machine, over the same inputs, their maps kept. packets: instead of the made ones."""
    seen = Differences(Counter(), [])
    first: Loaded = engine.load(ours, row.entry, contents(row, ours))
    other: Loaded = engine.load(theirs, row.entry, contents(row, theirs))
    for number, given in enumerate(inputs(row, packets)):
        try:
            one, two = ended(row, first.run(given)), ended(row, other.run(given))
        except Unavailable as reason:
            seen.counts[f"not run: {str(reason)[:60]}"] += 1
            continue
        seen.counts["compared"] += 1
        if one != two:
            data = given.packet if given.packet is not None else given.ctx or b""
            seen.found.append(f"{row.name}, input {number} ({data.hex()}): Python {one}, C {two}")
    for name, kind, *_ in map(str.split, row.maps):
        if kind in UNREADABLE:
            continue
        try:
            mine, expected = first.read_map(name), other.read_map(name)
        except BpfvmError as error:
            seen.found.append(f"{row.name}, map {name}: {error}")
            continue
        seen.counts["maps"] += 1
        seen.counts["entries"] += len(expected)
        if sorted(map(repr, mine)) != sorted(map(repr, expected)):
            odd = [pair for pair in zip(mine, expected, strict=False) if pair[0] != pair[1]][:3]
            seen.found.append(f"{row.name}, map {name}: {len(mine)} and {len(expected)} entries, {odd}")
    first.close()
    other.close()
    return seen
