"""Maps of maps and program arrays: what stands in them at load, by name, and what programs reach through them."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input, Result
from bpfvm.emulator.machine import Emulator
from bpfvm.emulator.system import System
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.session import Session
from tests.engines import EMULATORS

INNER = MapSpec("outer.inner", "array", 4, 8, 2)
PLAIN = replace(INNER, name="a")
OUTER = MapSpec("outer", "array_of_maps", 4, 4, 3, inner=INNER, contents=((1, "a"),))
TYPED = MapSpec("outer", "hash_of_maps", 4, 4, 3, inner=INNER, contents=((1, "a"),))
TIERS = EMULATORS
# adds 5 to value 1 of the map at index {index} of the outer map
ADD = """
*(u32 *)(r10 -4) = {index}
*(u32 *)(r10 -8) = 1
r1 = map[outer]
r2 = r10
r2 += -4
call 1
if r0 == 0 goto none
r1 = r0
r2 = r10
r2 += -8
call 1
if r0 == 0 goto none
r1 = *(u64 *)(r0 +0)
r1 += 5
*(u64 *)(r0 +0) = r1
r0 = 1
exit
none: r0 = 0
exit
"""
JUMP = "r2 = map[jumps]\n r3 = {index}\n call 12\n r0 = 77\n exit"


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def xdp(name: str, text: str, type: str = "xdp") -> ProgramSpec:
    return ProgramSpec(name, type, type, tuple(assemble(text)))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("outer", [OUTER, TYPED], ids=lambda one: one.type)
def test_programs_reach_the_inner_map(outer: MapSpec, tier: str) -> None:
    programs = {f"p{index}": xdp(f"p{index}", ADD.format(index=index)) for index in (0, 1)}
    spec = ObjectSpec(programs, {"outer": outer, "a": PLAIN})
    for name, found in (("p0", 0), ("p1", 1)):
        with Emulator(tier).load(spec, name, {}) as loaded:
            result = loaded.run(Input(packet=bytes(64)))
            assert (result.fault, result.r0) == (None, found)
            assert loaded.read_map("a") == [(key(0), bytes(8)), (key(1), (5 * found).to_bytes(8, "little"))]
            assert loaded.read_map("outer") == [(key(1), b"a")]


@pytest.mark.parametrize("tier", TIERS)
def test_an_inner_map_is_no_memory(tier: str) -> None:
    text = ADD.format(index=1).replace("r1 = r0\n", "r1 = *(u32 *)(r0 +0)\n", 1)
    with Emulator(tier).load(ObjectSpec({"p": xdp("p", text)}, {"outer": OUTER, "a": PLAIN}), "p", {}) as loaded:
        fault = loaded.run(Input(packet=bytes(64))).fault
        assert fault is not None
        assert fault.kind == "access"
        assert "map a" in fault.message


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"outer": replace(OUTER, inner=None, contents=())}, "needs a declaration of the maps inside"),
        ({"outer": replace(OUTER, contents=((1, "b"),))}, "there is no map 'b' to put there"),
        ({"outer": replace(OUTER, contents=((3, "a"),))}, "index 3 is not below 3"),
        (
            {"a": replace(PLAIN, max_entries=3)},
            "a is a map of type array with keys of 4 and values of 8 bytes, 3 entries",
        ),
        ({"a": replace(PLAIN, type="hash")}, "what may stand there is a map of type array"),
        ({"outer": replace(OUTER, contents=((1, "outer"),))}, "outer is a map of type array_of_maps"),
        ({"outer": replace(OUTER, inner=replace(OUTER, contents=()))}, "array_of_maps maps cannot stand inside"),
        ({"outer": replace(OUTER, inner=replace(INNER, type="prog_array", value_size=4))}, "prog_array maps cannot"),
        ({"outer": replace(OUTER, inner=replace(INNER, key_size=8))}, "keys of 4 bytes, not 8"),
    ],
)
def test_maps_that_cannot_stand_in_others(maps: dict[str, MapSpec], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        System(ObjectSpec({}, {"outer": OUTER, "a": PLAIN} | maps), ["outer"])


def test_arrays_inside_may_differ_in_length_where_they_are_declared_to() -> None:
    growing = replace(INNER, flags=1 << 12)
    spec = ObjectSpec({}, {"outer": replace(OUTER, inner=growing), "a": replace(growing, name="a", max_entries=9)})
    assert System(spec, ["outer"]).maps["outer"].sys_lookup(key(1)) == b"a"


def jump(index: int, contents: tuple[tuple[int, str], ...], tier: str) -> Result:
    programs = {
        "start": xdp("start", JUMP.format(index=index)),
        "one": xdp("one", "r0 = 1\n exit"),
        "again": xdp("again", JUMP.format(index=2).replace("77", "33")),
        "other": xdp("other", "r0 = 9\n exit", "sched_cls"),
    }
    maps = {"jumps": MapSpec("jumps", "prog_array", 4, 4, 3, contents=contents)}
    with Emulator(tier).load(ObjectSpec(programs, maps), "start", {}) as loaded:
        return loaded.run(Input(packet=bytes(64)))


@pytest.mark.parametrize("tier", TIERS)
def test_tail_calls(tier: str) -> None:
    contents = ((0, "one"), (2, "again"))
    assert [jump(index, contents, tier).r0 for index in range(4)] == [1, 77, 33, 77]


@pytest.mark.parametrize("tier", TIERS)
def test_a_program_of_another_type_is_a_fault(tier: str) -> None:
    fault = jump(0, ((0, "other"),), tier).fault
    assert fault is not None
    assert "holds other of type sched_cls, and the kernel refuses to load a caller of type xdp" in fault.message


@pytest.mark.parametrize("tier", TIERS)
def test_a_tail_call_takes_a_program_array(tier: str) -> None:
    start = xdp("start", "r2 = map[m]\n r3 = 0\n call 12\n r0 = 0\n exit")
    with Emulator(tier).load(ObjectSpec({"start": start}, {"m": replace(PLAIN, name="m")}), "start", {}) as loaded:
        fault = loaded.run(Input(packet=bytes(64))).fault
    assert fault is not None
    assert "tail_call does not take an array map" in fault.message


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (((0, "two"),), "there is no program 'two' to put there; programs are start, one, again, other"),
        (((3, "one"),), "index 3 is not below 3"),
        (((0, "one"), (1, "other")), "other is a program of type sched_cls, and those that stand there are xdp"),
    ],
)
def test_programs_that_cannot_stand_in_an_array(contents: tuple[tuple[int, str], ...], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        jump(0, contents, "interp")


def test_contents_by_name() -> None:
    spec = ObjectSpec({"one": xdp("one", "r0 = 1\n exit")}, {"jumps": MapSpec("jumps", "prog_array", 4, 4, 3)})
    store = System(spec, ["jumps"]).maps["jumps"]
    store.fill([(key(2), b"one")])
    assert store.entries() == [(key(2), b"one")]
    assert store.sys_delete(key(2)) == 0
    assert store.sys_delete(key(2)) == -errno.ENOENT
    assert store.entries() == []


@pytest.mark.parametrize("tier", TIERS)
def test_a_session_shows_the_maps_of_programs_that_are_called_at_the_end(tier: str) -> None:
    count = "*(u32 *)(r10 -4) = 0\n r1 = map[n]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n"
    count += "*(u64 *)(r0 +0) = 8\n out: r0 = 2\n exit"
    programs = {"start": xdp("start", JUMP.format(index=0)), "count": xdp("count", count)}
    maps = {
        "jumps": MapSpec("jumps", "prog_array", 4, 4, 1, contents=((0, "count"),)), "n": MapSpec("n", "array", 4, 8, 1),
    }  # fmt: skip
    with Session(Emulator(tier), ObjectSpec(programs, maps), "start") as session:
        outcome = session.outcome(Input(packet=bytes(64)))
    assert outcome.value == 2
    assert list(outcome.maps) == ["jumps", "n"]
    assert outcome.maps["n"] == {key(0): (8).to_bytes(8, "little")}
