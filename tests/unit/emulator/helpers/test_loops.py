"""bpf_loop on both tiers: its results, all 64 bits of them, are those of the kernel's helper (measured on 6.18)."""

from __future__ import annotations

import pytest

from bpfvm.core.bits import M64
from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from tests.engines import EMULATORS

TEXT = """
r6 = r1
*(u64 *)(r10 -8) = 0
r1 = {count} ll
r2 = func f
r3 = r10
r3 += -8
r4 = {flags}
call loop
*(u64 *)(r6 +0) = r0
r1 = *(u64 *)(r10 -8)
*(u64 *)(r6 +8) = r1
r0 = 0
exit
f: r3 = *(u64 *)(r2 +0)
r3 += 1
*(u64 *)(r2 +0) = r3
r0 = 0
if r1 != 20 goto pc+1
r0 = 1
exit
"""
MOST = 1 << 23  # BPF_MAX_LOOPS
E2BIG, EINVAL = -7 & M64, -22 & M64
RESULTS = {
    (0, 0): (0, 0), (3, 0): (3, 3), (20, 0): (20, 20), (21, 0): (21, 21), (MOST, 0): (21, 21),
    (MOST + 1, 0): (E2BIG, 0), (1 << 32 | 2, 0): (2, 2), (M64, 0): (E2BIG, 0),
    (3, 1): (EINVAL, 0), (M64, 1): (EINVAL, 0),
}  # fmt: skip


@pytest.mark.parametrize("tier", EMULATORS)
def test_results(tier: str) -> None:
    for (count, flags), (result, rounds) in RESULTS.items():
        code = assemble(TEXT.format(count=f"{count:#x}", flags=flags), helper={"loop": 181}.get)
        program = ProgramSpec(
            "p", "syscall", "syscall", tuple(code), functions=(FunctionSpec("f", 15, is_static=True),)
        )
        loaded = engine(tier).load(ObjectSpec({"p": program}, {}), "p", {})
        after = loaded.run(Input(ctx=bytes(16)))
        loaded.close()
        assert after.fault is None, after.fault
        words = after.ctx or b""
        found = int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")
        assert found == (result, rounds), (count, flags)
