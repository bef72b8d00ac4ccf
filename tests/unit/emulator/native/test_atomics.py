"""Atomic operations somewhere in an array's values: in compiled code where they are inside, and faults where not."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SIZES = (8, 20, 24)  # of a value: one element of it is behind another, with bytes between that nobody may touch
PLACES = (0, 1, 3, 4, 8, 12, 16, 17, 20, 24, 28, 40, 47, 48)
# Adds to the value of element 1, at the distance that the packet begins with, and some bytes on
TEXT = """
r6 = *(u32 *)(r1 +0)
r7 = *(u32 *)(r1 +4)
*(u32 *)(r10 -4) = 1
r1 = map[m]
r2 = r10
r2 += -4
call 1
if r0 == 0 goto out
r3 = r6
r3 += 1
if r3 > r7 goto out
r1 = *(u8 *)(r6 +0)
r0 += r1
r2 = 5
{}
r0 = r2
out: exit
"""
ADDS = (
    "lock *(u64 *)(r0 {}) += r2", "lock *(u32 *)(r0 {}) += r2", "r2 = atomic64_fetch_add((u64 *)(r0 {}), r2)",
    "r2 = atomic_fetch_add((u32 *)(r0 {}), r2)",
)  # fmt: skip


def run(engine: str, text: str, size: int, index: int, threads: bool = False) -> tuple[Result, object]:
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    spec = ObjectSpec({"p": program}, {"m": MapSpec("m", "array", 4, size, 3)})
    with Emulator(engine, threads=threads).load(spec, "p", {}) as loaded:
        result = loaded.run(Input(packet=bytes([index])))
        return result, loaded.read_map("m")


@pytest.mark.parametrize("add", ADDS)
@pytest.mark.parametrize("off", ["+0", "+4", "-8"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_inside_and_what_is_not(size: int, off: str, add: str) -> None:
    """As the portable tier has it: a pointer is held to the value that it lands in (docs/differences.md)."""
    text = TEXT.format(add.format(off))
    faults = 0
    for index in PLACES:
        want, values = run("portable", text, size, index)
        for threads in (False, True):
            result, found = run("native", text, size, index, threads)
            assert (result.r0, result.fault, result.insns) == (want.r0, want.fault, want.insns), index
            assert found == values, index
        faults += want.fault is not None
    assert faults > 3


def test_python_is_not_asked_for_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    right = Runtime.atomic

    def atomic(self: Runtime, address: int, off: int, size: int) -> int:
        asked.append(address)
        return right(self, address, off, size)

    monkeypatch.setattr(Runtime, "atomic", atomic)
    for index in range(24):
        run("native", TEXT.format(ADDS[0].format("+0")), 24, index)
    assert len(asked) == 24 - 3, "only where it is not aligned, or has no room"
