"""A pointer stays one to its object however far it is moved: what else is at the address is not what it points to.

All tiers stop at the same instruction, also where a sum of a known pointer and a known number is another object's.
"""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

MAPS = {
    "m": MapSpec("m", "array", 4, 16, 4),
    "wide": MapSpec("wide", "hash", 16, 8, 4),
    "ring": MapSpec("ring", "ringbuf", 0, 0, 4096),
}
ELEMENT = "*(u32 *)(r10 -4) = 1\n r1 = map[m]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n r6 = r0\n"
RECORD = "r1 = map[ring]\n r2 = 16\n r3 = 0\n call 131\n if r0 == 0 goto out\n"
TWO = RECORD + "r6 = r0\n" + RECORD.replace("out", "one") + "r7 = r0\n"
GIVE_BACK = "r1 = r7\n r2 = 0\n call 133\n one: r1 = r6\n r2 = 0\n call 133\n"
PACKET = "r6 = *(u32 *)(r1 +0)\n"
META = "r6 = *(u32 *)(r1 +8)\n"
KEY = "r1 = map[wide]\n r2 = r6\n r2 += {off}\n call 1\n"  # map_lookup_elem
READ = "r2 = r6\n r2 += {off}\n r0 = *(u64 *)(r2 +0)\n"
WRITE = "r2 = r6\n r2 += {off}\n *(u64 *)(r2 +0) = 1\n"
COPY = "r1 = r10\n r1 += -32\n r2 = 8\n r3 = r6\n r3 += {off}\n call 113\n"  # probe_read_kernel to the stack
SUM = "r1 = 0\n r2 = 0\n r3 = r6\n r3 += {off}\n r4 = 16\n r5 = 0\n call 28\n"  # csum_diff

# before, the use, behind, offsets that stay in the object, offsets that leave it
CASES = {
    "a key in front of the packet": (PACKET, KEY, "", (0, 48), (-24, -16, -8, 56, 0x30000)),
    "a key that goes up from metadata": (META, KEY, "", (0, 8), (-8, 16, 24, 48)),
    "bytes in front of the packet": (PACKET, READ, "", (0, 56), (-24, -8, 57, -0x30000)),
    "bytes above metadata": (META, READ, "", (0, 16), (-8, 20, 24, 32)),
    "a sum in front of the packet": (PACKET, SUM, "", (0, 48), (-24, -16, 56)),
    "a key in another element": (ELEMENT, KEY, "", (0,), (-16, 16, 32, 8)),
    "bytes of another element": (ELEMENT, READ, "", (0, 8), (-16, 16, 32, 9)),
    "another element, written": (ELEMENT, WRITE, "", (0, 8), (-16, 16, 32, 9)),
    "a sum of another element": (ELEMENT, SUM, "", (0,), (-16, 16, 32, 8)),
    "a key in another record": (TWO, KEY, GIVE_BACK, (0,), (24, 8, -8)),
    "bytes of another record": (TWO, READ, GIVE_BACK, (0, 8), (24, 16, -8)),
    "another record, written": (TWO, WRITE, GIVE_BACK, (0, 8), (24, 16, -8)),
    "a sum of another record": (TWO, SUM, GIVE_BACK, (0,), (24, 8, -8)),
}


def spec(text: str) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))}, MAPS)


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize("name", CASES)
def test_an_object_is_not_left_by_a_known_number(name: str, engine: str) -> None:
    before, use, behind, inside, outside = CASES[name]
    for off in (*inside, *outside):
        text = before + use.format(off=off) + behind + "out: r0 = 2\n exit"
        found = []
        for one in ("interp", engine):
            with Emulator(one).load(spec(text), "p", {}) as loaded:
                fault = loaded.run(Input(packet=bytes(range(64)), fields={"data_meta": 24})).fault
            found.append(fault and (fault.kind, fault.insn, fault.message.partition(":")[0]))
        assert (found[0] is None) is (off in inside), (off, found[0])
        assert found[1] == found[0], off


FAR = (0x8000, 0x11000, 0x13000, 0x21000, 0x32000, 0x44000, 0x55000, 0x66000)
BASES = {
    "the stack": "r6 = r10\n",
    "the context": "r6 = r1\n",
    "a map": "r6 = map[m]\n",
    "an element": ELEMENT,
    "a record": RECORD + "r6 = r0\n",
    "the packet": PACKET,
}


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize("use", [KEY, READ, WRITE, SUM])
@pytest.mark.parametrize("name", BASES)
def test_no_object_is_reached_from_another_one(name: str, use: str, engine: str) -> None:
    """Also through a page that another access has made known."""
    back = "r1 = r6\n r2 = 0\n call 133\n" if name == "a record" else ""
    for off in [distance * sign for distance in FAR for sign in (1, -1)]:
        known = "r9 = r10\n r9 &= -1\n r9 += -8\n *(u64 *)(r9 +0) = 0\n r0 = *(u64 *)(r9 +0)\n"
        text = known + BASES[name] + use.format(off=off) + back + "out: r0 = 2\n exit"
        with Emulator(engine).load(spec(text), "p", {}) as loaded:
            fault = loaded.run(Input(packet=bytes(64), fields={"data_meta": 24})).fault
        assert fault is not None, off
        assert fault.kind in (("access",) if use in (READ, WRITE) else ("access", "helper")), off


@pytest.mark.parametrize("engine", EMULATORS)
def test_a_sum_with_a_number_that_is_not_known_stays_on_the_stack(engine: str) -> None:
    """Where the frame of another function, or a value, is that far away, it is no part of this one."""
    for off in (0, 8, 504, 505, -8, 0x11000, -0x11000, 0x22000):
        for use in ("r0 = *(u64 *)(r6 +0)\n", "*(u64 *)(r6 +0) = 7\n r0 = 0\n"):
            text = f"r7 = *(u64 *)(r1 +0)\n r6 = r10\n r6 += r7\n r6 += -512\n {use} r0 = 0\n exit"
            whole = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {})
            with Emulator(engine).load(whole, "p", {}) as loaded:
                fault = loaded.run(Input(ctx=(off & (1 << 64) - 1).to_bytes(8, "little"))).fault
            assert (fault is None) is (0 <= off <= 504), (off, use)
            assert fault is None or (fault.kind, fault.insn) == ("access", 4)


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize(
    "use", ["lock *(u64 *)(r1 +0) += r2", "r0 = load_acquire((u64 *)(r1 +0))", "store_release((u64 *)(r1 +0), r2)"]
)
def test_a_function_that_gets_the_packet_knows_where_it_ends(engine: str, use: str) -> None:
    """Also one without a plain access."""
    text = f"r1 = *(u32 *)(r1 +0)\n r2 = 1\n call f\n r0 = 2\n exit\n f: {use}\n r0 = 0\n exit"
    with Emulator(engine).load(spec(text), "p", {}) as loaded:
        assert loaded.run(Input(packet=bytes(16))).fault is None
        fault = loaded.run(Input(packet=bytes(7), fields={})).fault
    assert fault is not None
    assert (fault.kind, fault.insn) == ("access", 5)
