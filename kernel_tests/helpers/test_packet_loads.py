"""Legacy packet loads on both emulator tiers and in the kernel: every row, at every kind of place."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.errors import Unavailable, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.progs import PROGRAM_TYPES

FRAMES = (
    bytes(range(1, 13)) + b"\x08\x00" + bytes(range(0x45, 0x45 + 60)),
    bytes(range(0x80, 0x8C)) + b"\x86\xdd" + bytes(range(0x60, 0x60 + 50)),
)
NETWORK, MAC = -0x10_0000, -0x20_0000
NEAR = (-15, -14, -1, 0, 1, 11, 40, 47, 60, 61, 62, 63, 64, 70, 74)  # around each start, and around the packets' ends
FAR = (-0x80000000, -0x300000, -4096, 5000, 0x7FFFFFFF)
STARTS = (0, 9, 60, 0xFFFF_FFFF, 0x1_0000_0003, 0x7FFF_FFFF, 0x8000_0000, (1 << 64) - 1)
FLOOR = 1800
OUT = (MapSpec("out", "array", 4, 8, 1),)
ENGINES = ("interp", "portable", "kernel")


def answers(kind: str, text: str) -> list[list[tuple[int, object]]]:
    """Of each machine, r0 and the loaded number for each frame; nothing is stored where the program ended early."""
    text = f"r6 = r1\nr9 = map[out]+0\nr0 = -1\n*(u64 *)(r9 +0) = r0\n{text}\n*(u64 *)(r9 +0) = r0\nr0 = 1\nexit"
    spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(text)))}, {one.name: one for one in OUT})
    found: list[list[tuple[int, object]]] = []
    for name in ENGINES:
        with closing(engine(name).load(spec, "p", {})) as loaded:
            results: list[tuple[int, object]] = []
            for frame in FRAMES:
                r0 = loaded.run(Input(packet=frame)).r0
                results.append((r0, loaded.read_map("out")[0][1]))
            found.append(results)
    return found


def places(kind: str) -> list[int]:
    starts = (0,) if kind == "socket_filter" else (0, NETWORK, MAC)
    return [*(start + near for start in starts for near in NEAR if kind != "socket_filter" or near < 1 << 19), *FAR]


@pytest.mark.parametrize("kind", ["socket_filter", "sched_cls", "sched_act"])
def test_every_row_at_every_kind_of_place(kind: str) -> None:
    compared, inside = 0, 0
    for bits in (8, 16, 32):
        texts = [f"r0 = *(u{bits} *)skb[{at}]" for at in places(kind)]
        for start in STARTS:
            for at in places(kind):
                at -= start & 0xFFFF_FFFF if start >> 31 else 0
                if -(1 << 31) <= at < 1 << 31 and not (kind == "socket_filter" and MAC <= at < -0x8_0000):
                    texts.append(f"r3 = {start:#x} ll\nr0 = *(u{bits} *)skb[r3 + {at}]")
        for text in texts:
            interp, portable, kernel = answers(kind, text)
            assert interp == kernel, text
            assert portable == kernel, text
            compared += len(FRAMES)
            inside += sum(r0 for r0, _ in kernel)
    print(f"{kind}: {compared} loads compared, {inside} of them in the packet")
    assert compared >= (FLOOR if kind != "socket_filter" else FLOOR // 4)
    assert inside >= compared // 8


def test_the_types_that_have_them() -> None:
    code = tuple(assemble("r6 = r1\nr0 = *(u8 *)skb[0]\nr0 = 0\nexit"))
    tried = 0
    for row in PROGRAM_TYPES:
        if row.test_run and not row.btf_target and row.context == "__sk_buff":
            spec = ObjectSpec({"p": ProgramSpec("p", row.name, row.name, code)}, {})
            if row.ld_abs:
                engine("kernel").load(spec, "p", {}).close()
            else:
                with pytest.raises(VerifierReject, match=r"BPF_LD_\[ABS\|IND\] instructions not allowed"):
                    engine("kernel").load(spec, "p", {})
            tried += 1
    print(f"{tried} types tried")
    assert tried >= 7


def test_a_socket_filters_headers_are_elsewhere_than_on_a_socket() -> None:
    for at in (NETWORK, NETWORK + 9, MAC, MAC + 12):
        with pytest.raises(Unavailable, match="in a socket filter: BPF_PROG_TEST_RUN has the headers elsewhere"):
            answers("socket_filter", f"r0 = *(u8 *)skb[{at}]")
