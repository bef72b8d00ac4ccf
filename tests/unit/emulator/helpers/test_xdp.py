"""Helpers that move an XDP frame's ends: pointers from before are dead, memory is read again, limits hold."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from tests.engines import EMULATORS

ENGINES = EMULATORS
FRAME = bytes(range(64))
ADJUST = {"head": 44, "meta": 54, "tail": 65}


def run(text: str, packet: bytes = FRAME, name: str = "interp", section: str = "xdp") -> Result:
    program = ProgramSpec("p", section, "xdp", tuple(assemble(text)))
    with closing(engine(name).load(ObjectSpec({"p": program}, {}), "p", {})) as loaded:
        return loaded.run(Input(packet=packet))


@pytest.mark.parametrize("end", ADJUST)
def test_a_pointer_from_before_is_dead(end: str) -> None:
    text = f"r6 = r1\nr7 = *(u32 *)(r1 +0)\nr2 = -4\ncall {ADJUST[end]}\nr0 = *(u8 *)(r7 +20)\nexit"
    fault = run(text).fault
    assert fault is not None
    assert fault.message == f"read of 1 byte at packet+20, which was moved by bpf_xdp_adjust_{end}"


@pytest.mark.parametrize("name", ENGINES)
def test_what_was_refused_moves_nothing(name: str) -> None:
    text = "r6 = r1\nr7 = *(u32 *)(r1 +0)\nr2 = 60\ncall 44\nr8 = r0\nr0 = *(u8 *)(r7 +20)\nr0 += r8\nexit"
    result = run(text, name=name)
    assert (result.fault, result.r0) == (None, 20 - 22 & (1 << 64) - 1)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("end", "delta", "wanted"),
    [
        ("head", 20, FRAME[20:]),
        ("head", -3, bytes(3) + FRAME),
        ("head", -216, bytes(216) + FRAME),
        ("head", -217, None),
        ("head", 50, FRAME[50:]),
        ("head", 51, None),
        ("tail", -50, FRAME[:14]),
        ("tail", -51, None),
        ("tail", 3456, FRAME + bytes(3456)),
        ("tail", 3457, None),
        ("meta", -8, FRAME),
        ("meta", 4, None),
    ],
)
def test_ends_move_within_limits(end: str, delta: int, wanted: bytes | None, name: str) -> None:
    result = run(f"r2 = {delta}\ncall {ADJUST[end]}\nexit", name=name)
    assert (result.r0 == 0, result.packet) == (wanted is not None, FRAME if wanted is None else wanted)


@pytest.mark.parametrize("name", ENGINES)
def test_new_bounds_are_seen(name: str) -> None:
    text = (
        "r6 = r1\nr2 = -4\ncall 44\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 5\nif r4 > r3 goto +2\n"
        "*(u32 *)(r2 +0) = 0x11223344\n*(u8 *)(r2 +4) = 0xee\nr0 = 0\nexit"
    )
    assert run(text, name=name).packet == bytes.fromhex("44332211ee") + FRAME[1:]


@pytest.mark.parametrize("name", ENGINES)
def test_a_run_sees_nothing_of_the_one_before(name: str) -> None:
    text = "r6 = r1\nr2 = -8\ncall 44\nr2 = *(u32 *)(r6 +0)\nr0 = *(u64 *)(r2 +0)\nr3 = -1\n*(u64 *)(r2 +0) = r3\nexit"
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    with closing(engine(name).load(ObjectSpec({"p": program}, {}), "p", {})) as loaded:
        assert [loaded.run(Input(packet=FRAME)).r0 for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("name", ENGINES)
def test_a_frame_in_several_pages(name: str) -> None:
    packet = bytes(range(256)) * 35
    text = (
        "r6 = r1\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = 8\nr5 = 0\n*(u64 *)(r10 -8) = r5\ncall 189\nr7 = r0\nr1 = r6\n"
        "call 188\n"
        "r2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr3 -= r2\nr0 <<= 16\nr0 |= r3\nr0 <<= 16\nr2 = *(u8 *)(r10 -8)\n"
        "r0 |= r2\nr0 += r7\nexit"
    )
    assert run(text.format(4000), packet, name, "xdp.frags").r0 == len(packet) << 32 | 3520 << 16 | 4000 % 256
    assert run(text.format(8953), packet, name, "xdp.frags").r0 == (len(packet) << 32 | 3520 << 16) - 22
