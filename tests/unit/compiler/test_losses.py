"""Events that find no room are counted by programs: what they count is what the emulated maps themselves lost."""

# mypy: disable-error-code="type-arg, no-untyped-def, no-untyped-call, valid-type, arg-type, call-arg"

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import pytest

from bpfvm import ArrayOf, PerfEvents, Program, Ring, bpf, struct, u32, u64
from bpfvm.cli.tracing.generic import together
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.lang.maps import Array
from bpfvm.obj.model import MapSpec
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.writer.object import write_object
from bpfvm.program import compile_object
from bpfvm.run.backend import engine
from tests.engines import EMULATORS

ROOM = 4096


@struct
class Event:
    number: u64
    rest: u64[124]  # 1000 bytes: four have room


@struct
class Line:
    number: u64
    rest: u64[49]  # 400 bytes: ten have room


events, lines = Ring(Event, ROOM), Ring(Line, ROOM)
small = Ring(u32, ROOM)
samples = PerfEvents(Line)
failed = Array(u64, 1)


@bpf.xdp
def submitted(ctx):
    for number in range(6):
        events.submit(Event(number=number))


@bpf.xdp
def reserved(ctx):
    for number in range(6):
        one = events.reserve()
        if one is not None:
            one.number = number
            one.submit()
        else:
            failed[0] += 1


@bpf.xdp
def dropped(ctx):
    """What a program gives up itself is not lost."""
    one = events.reserve()
    if one is not None:
        one.discard()


@bpf.xdp
def copied(ctx):
    one = Line(number=1)
    for _ in range(12):
        lines.output(one)
    small.output(b"abc")


@bpf.func
def send(number: u32):
    small.submit(number)


@bpf.xdp
def called(ctx):
    for number in range(300):
        send(number)


@bpf.xdp
def sampled(ctx):
    for number in range(700):
        samples.submit(Line(number=number))


WANTED = {
    "submitted": {"events": 2}, "reserved": {"events": 2}, "dropped": {}, "copied": {"lines": 2},
    "called": {"small": 45}, "sampled": {"samples": 700 - 64 * ROOM // 416},
}  # fmt: skip
PROGRAMS = (submitted, reserved, dropped, copied, called, sampled)


def counted(program: Program, name: str, spec: Any = None) -> tuple[dict[str, int], dict[str, int]]:
    """What a run lost as the machine knows it, and as the program counts it."""
    spec = spec or compile_object([program], count_lost=True).spec
    with closing(engine(name).load(spec, program.name, {})) as loaded:
        result = loaded.run(Input(packet=bytes(64)))
        assert result.fault is None
        found = {}
        for one in (name for name in spec.maps if name.startswith(".bss.")):
            with suppress(UsageError):  # that another program of the object uses
                ((_, value),) = loaded.read_map(one)
                found[one.removeprefix(".bss.").removesuffix("_lost")] = int.from_bytes(bytes(value), "little")
    return dict(result.lost), {name: count for name, count in found.items() if count}


@pytest.mark.parametrize("name", EMULATORS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
def test_what_programs_count_is_what_is_lost(program: Program, name: str) -> None:
    known, told = counted(program, name)
    assert known == told == WANTED[program.name]


def test_an_object_keeps_its_counts_on_disk() -> None:
    spec = compile_object([submitted, called], count_lost=True).spec
    again = parse_object(write_object(spec), "events.o")
    assert sorted(one for one in again.maps if one.startswith(".bss.")) == [".bss.events_lost", ".bss.small_lost"]
    assert all(again.maps[one].hidden for one in again.maps if one.startswith(".bss."))
    assert counted(submitted, "interp", again) == ({"events": 2}, {"events": 2})


def test_it_is_counted_only_where_it_is_asked_for() -> None:
    for program in PROGRAMS:
        plain = compile_object([program]).spec
        assert not any(one.startswith(".bss.") for one in plain.maps)
        more = compile_object([program], count_lost=True).spec.programs[program.name].slot_count
        sends = more - plain.programs[program.name].slot_count
        print(f"{program.name}: {sends} slots more")
        assert 0 < sends <= 12


def test_a_ring_stands_in_no_map_where_nobody_could_count_for_it() -> None:
    for one in (Ring(Event), PerfEvents(Line)):
        with pytest.raises(UsageError, match=r"what finds no room is counted for a map that the program names"):
            ArrayOf(one, 4)


def test_a_map_of_rings_is_counted_in_place_of_what_stands_in_it() -> None:
    inner = MapSpec("rings.inner", "ringbuf", 0, 0, ROOM)
    outer = MapSpec("rings", "array_of_maps", 4, 4, 2, inner=inner, contents=((0, "first"), (1, "second")))
    maps = {"rings": outer, "first": inner, "second": inner, "third": inner}
    lost = {"first": None, "second": 3, "third": None}
    assert together(lost, {"rings": 7}, maps) == {"second": 3, "third": None, "rings": 7}
    assert together(lost, {}, maps) == lost


def test_a_script_tells_what_was_lost() -> None:
    from bpfvm.timeline import Timeline
    from tests.unit.compiler import losses_script

    long = "/" + 700 * "a"
    seen = Timeline(losses_script).at(0, "openat", filename=long).at(1, "openat", filename="/b").check()
    assert [str(one.path) for one in seen.events["opened"]] == [long] * 4 + ["/b"] * 4
    assert (len(seen.events["opened"]), seen.lost) == (8, {"opened": 4})
