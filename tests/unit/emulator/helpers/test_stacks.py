"""What programs that trace are told offline: perf events of samples count nothing; stacks are those of the task that an
input gives, and without one no call stack can be walked.

The numbers are those of 6.18 (kernel_tests/attach/test_tasks.py), where there is nothing to walk with more frames
skipped than there are.
"""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Task
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.maps.jhash import jhash
from bpfvm.emulator.maps.stacks import StackTrace
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec

MAPS = {
    "events": MapSpec("events", "perf_event_array", 4, 4, 4),
    "stacks": MapSpec("stacks", "stack_trace", 4, 64, 16),
    "few": MapSpec("few", "stack_trace", 4, 16, 2),
    "files": MapSpec("files", "stack_trace", 4, 64, 16, flags=1 << 5),
}
USER, REUSE, FAST, BY_FILE = 1 << 8, 1 << 10, 1 << 9, 1 << 11


def caller() -> Interpreter:
    return Interpreter(System(ObjectSpec({}, MAPS), list(MAPS), cpus=2), {}, 1000)


def nothing() -> Context:
    return Context(Region("context", 0, 0, "context", memoryview(b"")), None, None, {})


@pytest.mark.parametrize(
    ("flags", "wanted"), [(0, 0), (0xFFFF_FFFF, 0), (1, -22), (2, -2), (4, -7), (1 << 32, -22), (1 << 40, -22)]
)
def test_perf_events_count_nothing(flags: int, wanted: int) -> None:
    tier = caller()
    events = tier.system.maps["events"]
    assert IMPLEMENTED["perf_event_read"](tier, events, flags) == wanted
    room = tier.arena.allocate("room", 24, "stack")
    room.data[:] = b"x" * 24
    assert IMPLEMENTED["perf_event_read_value"](tier, events, flags, Pointer(room, 0), 24) == wanted
    assert bytes(room.data) == bytes(24)
    assert IMPLEMENTED["perf_event_read_value"](tier, events, flags, Pointer(room, 0), 16) == -22


@pytest.mark.parametrize(
    ("flags", "wanted"), [(0, -14), (0xFF, -14), (256, -14), (0x700, -14), (0x800, -22), (1 << 20, -22), (1 << 32, -22)]
)
def test_there_is_no_stack_to_number(flags: int, wanted: int) -> None:
    tier = caller()
    assert IMPLEMENTED["get_stackid"](tier, nothing(), tier.system.maps["stacks"], flags) == wanted


@pytest.mark.parametrize(
    ("size", "flags", "wanted"),
    [
        (32, 0, -14),
        (32, 0x1FF, -14),
        (12, 0, -22),
        (32, 512, -22),
        (32, 0x800, -22),
        (32, 0x900, -14),
        (24, 0x900, -22),
    ],
)
def test_there_is_no_stack_to_show(size: int, flags: int, wanted: int) -> None:
    tier = caller()
    room = tier.arena.allocate("room", size, "stack")
    room.data[:] = b"x" * size
    assert IMPLEMENTED["get_stack"](tier, nothing(), Pointer(room, 0), size, flags) == wanted
    assert bytes(room.data) == bytes(size)


FRAMES = tuple(range(0x1000, 0x1000 + 12 * 16, 16))
KERNEL = (0xFFFF_FFFF_8100_0010, 0xFFFF_FFFF_8100_0020)


def inside(**stacks: tuple[int, ...] | None) -> Interpreter:
    """A caller in a task with these stacks."""
    tier = caller()
    tier.system.task = Task(7, 7, **{"user": FRAMES, "kernel": KERNEL, **stacks})  # type: ignore[arg-type]
    return tier


def number(tier: Interpreter, name: str, flags: int) -> object:
    found = IMPLEMENTED["get_stackid"](tier, nothing(), tier.system.maps[name], flags)
    return found


def shown(tier: Interpreter, name: str) -> dict[int, list[int]]:
    """What the map holds: the frames of each stack."""
    entries = tier.system.maps[name].entries()
    return {
        int.from_bytes(key, "little"): [one for one in memoryview(value).cast("Q").tolist() if one]
        for key, value in entries
        if isinstance(value, bytes)
    }


def hashed(frames: tuple[int, ...], room: int) -> int:
    return jhash(b"".join(one.to_bytes(8, "little") for one in frames)) % room


@pytest.mark.parametrize(
    ("flags", "frames"),
    [
        (0, KERNEL),
        (1, KERNEL[1:]),
        (USER, FRAMES[:8]),  # as many as a value holds
        (USER | 3, FRAMES[3:11]),
        (USER | 10, FRAMES[10:]),
    ],
)
def test_a_stack_has_the_number_of_its_hash(flags: int, frames: tuple[int, ...]) -> None:
    tier = inside()
    found = number(tier, "stacks", flags)
    assert found == hashed(frames, 16)
    assert shown(tier, "stacks") == {found: list(frames)}
    assert number(tier, "stacks", flags) == number(tier, "stacks", flags | FAST) == found


@pytest.mark.parametrize("flags", [2, USER | 12, 0xFF])
def test_a_stack_of_fewer_frames_than_are_skipped_has_none(flags: int) -> None:
    assert number(inside(), "stacks", flags) == -14
    assert number(inside(user=(), kernel=()), "stacks", flags & USER) == -14
    assert number(inside(user=None, kernel=None), "stacks", flags & USER) == -14


def test_two_stacks_of_one_number() -> None:
    tier = inside()
    taken: dict[int, tuple[int, ...]] = {}
    refused = 0
    for low in range(40):
        frames = (low + 1, 5)
        tier.system.task = Task(7, 7, kernel=frames)
        found, place = number(tier, "few", 0), hashed(frames, 2)
        refused += place in taken
        assert found == (-17 if place in taken else place)
        if place in taken:
            assert number(tier, "few", REUSE) == place
        taken[place] = frames
    assert refused == 38
    assert shown(tier, "few") == {at: list(frames) for at, frames in sorted(taken.items())}


def test_stacks_by_file_name_what_is_not_known_by_its_address() -> None:
    tier = inside(user=(5, 6))
    found = number(tier, "files", USER)
    assert found == hashed((5, 6), 16)
    ((_, value),) = tier.system.maps["files"].entries()
    assert value == b"".join(b"\2" + bytes(23) + one.to_bytes(8, "little") for one in (5, 6))


def test_user_space_takes_stacks_out() -> None:
    tier = inside()
    store = tier.system.maps["stacks"]
    assert isinstance(store, StackTrace)
    found = number(tier, "stacks", 0)
    other = number(tier, "stacks", USER)
    assert isinstance(found, int)
    assert isinstance(other, int)
    first, second = sorted((found, other))
    key = first.to_bytes(4, "little")
    assert store.next_key(None) == key
    assert store.next_key(key) == second.to_bytes(4, "little")
    assert store.next_key(second.to_bytes(4, "little")) == -2
    assert store.next_key(b"\xff" * 4) == key
    before = tier.system.snapshot()
    value = store.sys_lookup(key)
    assert store.sys_lookup_and_delete(key) == value
    assert (store.sys_lookup(key), store.sys_delete(key), store.next_key(None)) == (
        -2,
        -2,
        second.to_bytes(4, "little"),
    )
    tier.system.restore(before)
    assert store.sys_lookup(key) == value
    assert store.next_key(None) == key
    assert (store.sys_delete(key), store.sys_delete(b"\xff\0\0\0")) == (0, -7)


@pytest.mark.parametrize(
    ("size", "flags", "result", "frames"),
    [
        (32, 0, 16, KERNEL),
        (8, 0, 8, KERNEL[:1]),
        (32, 1, 8, KERNEL[1:]),
        (32, 2, 0, ()),
        (32, 3, -14, ()),
        (32, USER | 2, 32, FRAMES[2:6]),
        (0, 0, 0, ()),
    ],
)
def test_a_stack_is_shown(size: int, flags: int, result: int, frames: tuple[int, ...]) -> None:
    tier = inside()
    room = tier.arena.allocate("room", size, "stack")
    room.data[:] = b"x" * size
    assert IMPLEMENTED["get_stack"](tier, nothing(), Pointer(room, 0), size, flags) == result
    assert memoryview(bytes(room.data)).cast("Q").tolist() == [*frames, *[0] * (size // 8 - len(frames))]


def test_a_stack_by_file_is_shown() -> None:
    tier = inside(user=(5, 6))
    room = tier.arena.allocate("room", 96, "stack")
    assert IMPLEMENTED["get_stack"](tier, nothing(), Pointer(room, 0), 96, USER | BY_FILE) == 64
    assert bytes(room.data)[:64] == b"".join(b"\2" + bytes(23) + one.to_bytes(8, "little") for one in (5, 6))
