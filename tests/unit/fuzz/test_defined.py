"""What machines need not agree on is told from what they must: one program each."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.defined import undefined
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec

MAPS = (MapSpec("table", "array", 4, 8, 2), MapSpec("value", "array", 4, 64, 1))


def case(text: str, kind: str = "syscall") -> Case:
    helper = {"lookup": 1, "update": 2, "delete": 3, "time": 5, "loop": 181, "each": 164}.get
    return make("case", kind, assemble(text.replace(";", "\n"), helper=helper), (Input(ctx=b""),), MAPS)


DEFINED = (
    "r0 = 0; exit",
    "r0 = *(u64 *)(r1 +0); exit",
    "r6 = r1; r0 = *(u8 *)(r6 +3); exit",
    "*(u64 *)(r10 -8) = 1; r0 = *(u16 *)(r10 -4); exit",
    "*(u64 *)(r10 -8) = r1; r2 = *(u64 *)(r10 -8); r0 = *(u64 *)(r2 +0); exit",
    "r2 = r10; r2 += -16; *(u64 *)(r2 +8) = 1; r0 = *(u64 *)(r10 -8); exit",
    "r2 = map[value]+8; r0 = 1; r2 += r0; lock *(u64 *)(r2 +7) += r0; exit",
    "*(u32 *)(r10 -4) = 0; r1 = map[table]; r2 = r10; r2 += -4; call lookup; if r0 == 0 goto pc+1; r0 = *(u64 *)(r0 "
    "+0); exit",
    "call pc+1; exit; r0 = *(u32 *)(r1 +0); exit",
    "r0 = 0; r2 = 3; r0 += 1; r2 -= 1; if r2 != 0 goto pc-3; exit",
    "*(u32 *)(r10 -4) = 0; r0 = 0; r3 = 1; r0 = atomic_cmpxchg((u32 *)(r10 -4), r0, r3); exit",
)
WORD = "*(u64 *)(r10 -8) = 1; r3 = r10; r3 += -8; r4 = 0; "
LOOP = f"r1 = 3; r2 = func f; {WORD}call loop; exit; f: "
EACH = f"r1 = map[table]; r2 = func f; {WORD}call each; exit; f: "
CALLBACKS = {
    LOOP + "r0 = r1; exit": None,
    LOOP + "r0 = *(u32 *)(r2 +4); *(u64 *)(r2 +0) = r1; r0 = 0; exit": None,
    LOOP + "r3 = 1; lock *(u64 *)(r2 +0) += r3; r0 = 0; exit": None,
    EACH + "r0 = *(u32 *)(r2 +0); r3 = *(u64 *)(r3 +0); *(u64 *)(r4 +0) = r3; exit": None,
    LOOP + "r0 = *(u64 *)(r2 +4); exit": "a place outside of the word",
    LOOP + "*(u64 *)(r2 -8) = 0; r0 = 0; exit": "a place outside of the word",
    LOOP + "r0 = r2; exit": "does not return a number",
    LOOP + "r0 = r6; exit": "r6 is read and holds nothing",
    EACH + "r0 = *(u64 *)(r2 +0); exit": "a place outside of the key",
    EACH + "*(u32 *)(r2 +0) = 0; r0 = 0; exit": "a store into a key",
    EACH + "r0 = *(u64 *)(r1 +0); exit": "r1 is used as an address and is none",
    LOOP.replace("*(u64 *)(r10 -8) = 1; ", "") + "r0 = 0; exit": "gets stack that holds no number",
    LOOP.replace("r3 = r10; r3 += -8", "r3 = 0") + "r0 = 0; exit": "gets no word of the stack",
    LOOP.replace("r2 = func f", "r2 = 0") + "r0 = 0; exit": "instructions that nothing leads to",
    LOOP.replace("call loop", "r2 += 8; call loop") + "r0 = 0; exit": "arithmetic on an address",
}
PACKET = "r2 = *(u32 *)(r1 +4); r1 = *(u32 *)(r1 +0); r3 = r1; r3 += 8; r0 = 0; if r3 > r2 goto pc+1; "
UNDEFINED = {
    "r0 = r2; exit": "r2 is read and holds nothing",
    "exit": "does not return a number",
    "r0 = r1; exit": "does not return a number",
    "r0 = *(u64 *)(r10 -8); exit": "a read of stack that holds no number",
    "*(u32 *)(r10 -8) = 1; r0 = *(u64 *)(r10 -8); exit": "a read of stack that holds no number",
    "*(u64 *)(r10 -8) = r1; r0 = *(u32 *)(r10 -8); exit": "a read of stack that holds no number",
    "*(u32 *)(r10 -8) = r1; r0 = 0; exit": "a part of an address on the stack",
    "*(u64 *)(r1 +0) = r10; r0 = 0; exit": "an address in memory",
    "r2 = map[value]+0; *(u64 *)(r2 +0) = r1; r0 = 0; exit": "an address in memory",
    "r0 = 1; if r1 == 5 goto pc+0; exit": "a comparison of an address",
    "r0 = 1; if w1 == 0 goto pc+0; exit": "a comparison of an address",
    "r0 = r1; r0 &= 15; exit": "arithmetic on an address",
    "w0 = w1; exit": "a part of an address",
    "r2 = r10; r2 -= r1; r0 = 0; exit": "arithmetic on an address",
    "r0 = 5; r0 = *(u64 *)(r0 +0); exit": "r0 is used as an address and is none",
    "r2 = r10; r0 = *(u64 *)(r1 +0); r2 += r0; *(u8 *)(r2 +0) = 1; r0 = 0; exit": "an unknown place in the stack",
    "r2 = r10; *(u64 *)(r10 -8) = 0; lock *(u64 *)(r10 -8) += r2; r0 = 0; exit": "an atomic operation with an address",
    "*(u64 *)(r10 -8) = 0; r2 = 1; r0 = r1; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2); exit": "that compares an",
    "r1 = map[table]; r2 = r10; r2 += -4; call lookup; r0 = 0; exit": "a helper reads stack that holds no number",
    "call time; exit": "helper 5 is not followed here",
    "r0 = *(u64 *)(r1 +0); if r0 == 0 goto pc+1; r2 = 1; r0 = r2; exit": "r2 is read and holds nothing",
    "call pc+1; exit; r6 = 1; exit": "does not return a number",
    "call pc+2; r0 = r2; exit; r0 = 0; exit": "r2 is read and holds nothing",
    "call pc+0; r0 = 0; call pc-2; exit": "more than 8 frames",
    "r0 = 0; goto pc+1; r0 = 1; exit": "instructions that nothing leads to",
    "r0 = 0; if r0 == 0 goto pc+0; r0 = 1": "falls off the end",
    "r0 = 8; r0 >>= 64; exit": "rsh64_k by 64",
    "r0 = 8; r0 /= 0; exit": "div64_k by 0",
}
OF_PACKETS = {
    PACKET + "r0 = *(u64 *)(r1 +0); exit": None,
    "r0 = *(u32 *)(r1 +12); exit": None,
    "r2 = *(u32 *)(r1 +4); r0 = *(u32 *)(r1 +0); r2 -= r0; r0 = r2; exit": None,
    "r0 = *(u32 *)(r1 +0); exit": "does not return a number",
    "r0 = *(u16 *)(r1 +2); exit": "a part of an address in it",
    "r0 = *(u32 *)(r1 +20); exit": "no field of the context",
}


OF_SKBS = {
    "r6 = r1; r0 = *(u8 *)skb[0]; exit": None,
    "r6 = r1; r3 = 1; r0 = *(u32 *)skb[r3 + 2]; r0 += r0; exit": None,
    "r0 = *(u32 *)(r1 +8); *(u32 *)(r1 +48) = r0; r0 = *(u8 *)(r1 +49); exit": None,
    "r0 = *(u8 *)skb[0]; exit": "a packet load without the context in r6",
    "r6 = r1; r0 = *(u8 *)skb[0]; r0 = r1; exit": "r1 is read and holds nothing",
    "r6 = r1; r0 = *(u32 *)skb[r6 + 0]; exit": "a packet load at an address",
    "call f; exit; f: r6 = r1; r0 = *(u8 *)skb[0]; exit": "a packet load in a function",
    "r0 = *(u64 *)(r1 +168); exit": "the context's sk, which is not followed here",
    "r0 = *(s32 *)(r1 +8); exit": "no field of the context",
    "*(u32 *)(r1 +0) = 1; r0 = 0; exit": "a store into no field of the context",
}


def test_programs_on_which_machines_must_agree() -> None:
    for text in DEFINED:
        assert undefined(case(text)) is None, text


@pytest.mark.parametrize("text", UNDEFINED)
def test_programs_on_which_they_need_not(text: str) -> None:
    assert UNDEFINED[text] in (undefined(case(text)) or "")


@pytest.mark.parametrize("text", OF_PACKETS)
def test_packet_programs(text: str) -> None:
    wanted, found = OF_PACKETS[text], undefined(case(text, "xdp"))
    assert found is None if wanted is None else wanted in (found or ""), found


@pytest.mark.parametrize("text", OF_SKBS)
def test_programs_with_an_skb(text: str) -> None:
    wanted, found = OF_SKBS[text], undefined(case(text, "sched_cls"))
    assert found is None if wanted is None else wanted in (found or ""), found


@pytest.mark.parametrize("text", CALLBACKS)
def test_functions_that_helpers_call(text: str) -> None:
    wanted, found = CALLBACKS[text], undefined(case(text))
    assert found is None if wanted is None else wanted in (found or ""), found
