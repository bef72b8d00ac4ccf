"""What a function's stack holds before it is written: poison where that can be read, and nothing where it cannot."""

from __future__ import annotations

import pytest

from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.stack import poisoned
from bpfvm.emulator.native.translate import unit_of
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

MAPS = {"m": MapSpec("m", "hash", 4, 8, 3)}
KEY = "r1 = map[m]\n r2 = r10\n r2 += -4\n"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("r0 = 0\n exit", (0, 0)),
        ("*(u64 *)(r10 - 8) = 1\n r0 = *(u32 *)(r10 - 4)\n exit", (0, 0)),
        ("r0 = *(u32 *)(r10 - 4)\n exit", (-4, 0)),
        ("*(u32 *)(r10 - 8) = 1\n r0 = *(u64 *)(r10 - 8)\n exit", (-4, 0)),
        ("if r1 == 0 goto out\n *(u64 *)(r10 - 16) = 1\n out: r0 = *(u64 *)(r10 - 16)\n exit", (-16, -8)),
        ("*(u32 *)(r10 - 4) = 1\n" + KEY + "call 1\n r0 = 0\n exit", (0, 0)),
        (KEY + "call 1\n r0 = 0\n exit", (-4, 0)),
        ("r2 = r10\n r1 &= 7\n r2 -= r1\n *(u8 *)(r2 - 8) = 1\n r0 = *(u8 *)(r2 - 8)\n exit", (-512, 0)),
        ("*(u64 *)(r10 - 8) = 0\n r1 = r10\n call f\n exit\n f: r0 = *(u64 *)(r1 - 16)\n exit", (-512, -8)),
        ("*(u64 *)(r10 - 8) = r10\n r1 = *(u64 *)(r10 - 8)\n r0 = *(u64 *)(r1 - 16)\n exit", (-16, -8)),
        ("r2 = r10\n r2 += 0x7fffffff\n r0 = *(u64 *)(r2 + 0)\n *(u64 *)(r2 - 8) = 1\n exit", (0, 0)),
        ("again: *(u64 *)(r10 - 8) = 1\n r0 = *(u64 *)(r10 - 8)\n if r0 != 1 goto again\n exit", (0, 0)),
    ],
)  # fmt: skip
def test_what_is_poisoned(text: str, want: tuple[int, int]) -> None:
    program = ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))
    with Emulator("interp").load(ObjectSpec({"p": program}, MAPS), "p", {}) as loaded:
        unit = unit_of(program, loaded.system, None, (), (), safe=False)
        assert unit is not None
        assert poisoned(unit, unit.graph.functions[0]) == want
