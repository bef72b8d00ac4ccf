"""Map operations of programs, on the reference tier and in the kernel: results and contents are equal."""

from __future__ import annotations

import itertools
from contextlib import closing

from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine

# update, delete, then look up the key in ctx+0 with the flags in ctx+8; results from ctx+16 on
TEXT = """
r6 = r1
r3 = *(u64 *)(r6 +0)
*(u32 *)(r10 -4) = r3
r2 = r10
r2 += -4
r3 = r10
r3 += -16
*(u64 *)(r3 +0) = 0x41
r4 = *(u64 *)(r6 +8)
r1 = map[m]
call 2
*(u64 *)(r6 +16) = r0
r2 = r10
r2 += -4
r1 = map[m]
call 3
*(u64 *)(r6 +24) = r0
r2 = r10
r2 += -4
r1 = map[m]
call 1
r1 = -1
if r0 == 0 goto none
r1 = *(u64 *)(r0 +0)
none: *(u64 *)(r6 +32) = r1
r0 = 0
exit
"""
KEYS = (0, 1, 4, 5, 6, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
FLAGS = (*range(9), 0xFF, 1 << 31, 1 << 32, 1 << 40, 1 << 63, 1 << 63 | 4, (1 << 64) - 1)
FLOOR = 128


def test_array_maps_answer_as_the_kernel_does() -> None:
    spec = ObjectSpec(
        {"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(TEXT)))}, {"m": MapSpec("m", "array", 4, 8, 5)}
    )
    compared, wrong = 0, []
    for key, flags in itertools.product(KEYS, FLAGS):
        answers = []
        for name in ("interp", "kernel"):
            with closing(engine(name).load(spec, "p", {})) as loaded:
                result = loaded.run(Input(ctx=key.to_bytes(8, "little") + flags.to_bytes(8, "little") + bytes(24)))
                answers.append((result.fault, result.ctx, loaded.read_map("m")))
        compared += 1
        if answers[0] != answers[1]:
            wrong.append(f"key {key:#x} flags {flags:#x}: interp {answers[0][:2]}, kernel {answers[1][:2]}")
    print(f"{compared} compared")
    assert not wrong, "\n".join(wrong)
    assert compared >= FLOOR
