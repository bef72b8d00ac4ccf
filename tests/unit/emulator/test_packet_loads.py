"""Legacy packet loads on both tiers: what the kernel gives, measured on 6.18 by BPF_PROG_TEST_RUN."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from tests.engines import EMULATORS

FRAME = bytes(range(1, 13)) + b"\x08\x00" + bytes(range(0x45, 0x45 + 50))  # 64 bytes, an Ethernet header before them
LAST = FRAME[-1]
NETWORK, MAC = -0x10_0000, -0x20_0000
TYPES = ("socket_filter", "sched_cls", "sched_act")

ABSOLUTE = {
    (8, 0): 0x01, (16, 1): 0x0203, (32, 10): 0x0B0C0800, (8, 63): LAST, (8, 64): None, (16, 63): None, (32, 61): None,
    (8, -1): None, (32, -14): None, (8, -4096): None, (8, 0x7FFFFFFF): None, (8, -0x80000000): None,
    (8, NETWORK): 0x45, (16, NETWORK + 2): 0x4748, (8, NETWORK + 49): LAST, (8, NETWORK + 50): None,
    (8, NETWORK - 1): None, (8, MAC): 0x01, (32, MAC + 12): 0x08004546, (8, MAC + 63): LAST, (16, MAC + 63): None,
    (8, MAC - 1): None,
}  # fmt: skip
INDIRECT = {
    (16, 0x1_0000_0003, 0): 0x0405, (16, 0xFFFF_FFFF, 5): 0x0506, (16, (1 << 64) - 1, 3): 0x0304,
    (16, 0x7FFF_FFFF, -0x7FFF_FFF0): 0x4647, (16, 0x7FFF_FFFF, -0x7FFF_FFFF): 0x0102,
    (16, 0x8000_0000, -0x7FFF_FFFC): 0x0506, (8, 4, NETWORK): 0x49, (8, 60, NETWORK): None, (8, 60, 4): None,
}  # fmt: skip


def run(tier: str, kind: str, text: str, functions: tuple[FunctionSpec, ...] = ()) -> tuple[int, int | None]:
    """r0, and how many instructions it took."""
    program = ProgramSpec("p", kind, kind, tuple(assemble(text)), functions=functions)
    loaded = engine(tier).load(ObjectSpec({"p": program}, {}), "p", {})
    result = loaded.run(Input(packet=FRAME))
    loaded.close()
    assert result.fault is None, result.fault
    return result.r0, result.insns


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("tier", EMULATORS)
def test_absolute(tier: str, kind: str) -> None:
    for (bits, at), wanted in ABSOLUTE.items():
        found = run(tier, kind, f"r6 = r1\nr0 = *(u{bits} *)skb[{at}]\nr0 += 0x1000\nexit")
        assert found == ((0, 2) if wanted is None else (wanted + 0x1000, 4)), (bits, at)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("tier", EMULATORS)
def test_indirect(tier: str, kind: str) -> None:
    for (bits, start, at), wanted in INDIRECT.items():
        text = f"r6 = r1\nr3 = {start:#x} ll\nr0 = *(u{bits} *)skb[r3 + {at}]\nr0 += 0x1000\nexit"
        assert run(tier, kind, text)[0] == (0 if wanted is None else wanted + 0x1000), (bits, start, at)


@pytest.mark.parametrize("tier", EMULATORS)
def test_a_load_outside_of_the_packet_leaves_its_function_and_no_more(tier: str) -> None:
    functions = (FunctionSpec("f", 6, is_static=True),)
    text = (
        "r7 = 2\n*(u64 *)(r10 -8) = 3\ncall f\nr0 += 5\nr0 += r7\nexit\nf: r6 = r1\nr7 = 9\nr0 = *(u8 *)skb[{}]\nexit"
    )
    assert run(tier, "sched_cls", text.format(64), functions) == (7, 9)
    assert run(tier, "sched_cls", text.format(2), functions) == (10, 10)


@pytest.mark.parametrize("kind", ["cgroup_skb", "lwt_in", "xdp", "syscall"])
def test_other_types_have_none(kind: str) -> None:
    with pytest.raises(LoadError, match=f"legacy packet loads do not exist in {kind} programs"):
        run("interp", kind, "r6 = r1\nr0 = *(u8 *)skb[0]\nexit")
