"""Dynptrs: what the verifier would have refused is a fault, records of ring buffers reach the reader."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

MAPS = {"v": MapSpec("v", "array", 4, 32, 1), "r": MapSpec("r", "ringbuf", 0, 0, 4096)}
TIERS = EMULATORS
MADE = "r1 = map[v]+0\nr2 = 16\nr3 = 0\nr4 = r10\nr4 += -16\ncall dynptr_from_mem\n"
READ = "r1 = r10\nr1 += -24\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall dynptr_read\n"
RESERVED = "r1 = map[r]\nr2 = {}\nr3 = {}\nr4 = r10\nr4 += -16\ncall ringbuf_reserve_dynptr\nr6 = r0\n"
FILLED = (
    "*(u64 *)(r10 -24) = 0x41\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = r10\nr3 += -24\nr4 = 8\nr5 = 0\ncall dynptr_write\n"
)
GIVEN = "r1 = r10\nr1 += -16\nr2 = 0\ncall ringbuf_{}_dynptr\n"
END = "r0 = r6\nexit"


def run(text: str, name: str) -> Result:
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(insns))}, MAPS)
    with Emulator(name).load(spec, "p", {}) as loaded:
        return loaded.run(Input(ctx=bytes(8)))


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize(("text", "message"), [
    (READ, "argument 3 of bpf_dynptr_read#201 points to stack of frame 0+496, where no dynptr was made"),
    (MADE + "*(u8 *)(r10 -9) = 1\n" + READ, "where no dynptr was made"),
    (MADE.replace("map[v]+0", "r10\nr1 += -64") + READ, "which is no map value"),
    (MADE.replace("r2 = 16", "r2 = 33") + READ, "write of 33 bytes at v value at 0+0"),
    (MADE + GIVEN.format("submit"), "is no dynptr of a record that the program reserved"),
    (RESERVED.format(8, 0), "still owns a dynptr of ring buffer r, never submitted or discarded"),
    (RESERVED.format(8, 0) + GIVEN.format("submit") + READ, "where no dynptr was made"),
])  # fmt: skip
def test_what_is_refused(text: str, message: str, name: str) -> None:
    fault = run(f"r6 = 0\n{text}{END}", name).fault
    assert fault is not None
    assert message in fault.message


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize(("size", "flags", "how", "result", "records"), [
    (8, 0, "submit", 0, (b"\x41" + bytes(7),)),
    (8, 0, "discard", 0, ()),
    (8, 1, "submit", -22, ()),
    (1 << 24, 0, "submit", -7, ()),
    (5000, 0, "discard", -22, ()),
])  # fmt: skip
def test_records(size: int, flags: int, how: str, result: int, records: tuple[bytes, ...], name: str) -> None:
    done = run(RESERVED.format(size, flags) + FILLED + GIVEN.format(how) + END, name)
    assert done.fault is None
    assert done.r0 == result % (1 << 64)
    assert done.events.get("r", ()) == records
