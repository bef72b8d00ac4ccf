"""What programs that trace are told offline: perf events of samples count nothing, and no call stack can be walked.

The numbers are those of a kernel that has nothing to walk, measured on 6.18 with more frames skipped than there are.
"""

from __future__ import annotations

import pytest

from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec

MAPS = {
    "events": MapSpec("events", "perf_event_array", 4, 4, 4),
    "stacks": MapSpec("stacks", "stack_trace", 4, 64, 16),
}


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
