"""Tests of the packet's end: how many are left of a program's, and that nothing is merged that could be told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bpfvm import Array, pkt, u64
from bpfvm.compiler import compile_program
from bpfvm.lang import hooks

seen = Array(u64, 4)


def fields(ctx: Any):  # type: ignore[no-untyped-def]
    return pkt.eth.type + pkt.ip.ttl + pkt.ip.dst


def on_the_way(ctx: Any):  # type: ignore[no-untyped-def]
    """What does not go on gives what a fault gives."""
    if pkt.type != 0x0800 or pkt.ip.proto != 6:
        return 2
    return pkt.ip.tcp.dport + pkt.ip.tcp.seq


def another_result(ctx: Any):  # type: ignore[no-untyped-def]
    if pkt.type != 0x0800:
        return 1
    return pkt.ip.proto


def an_effect(ctx: Any):  # type: ignore[no-untyped-def]
    seen[0] = pkt.eth.type
    return pkt.ip.proto


def a_store(ctx: Any):  # type: ignore[no-untyped-def]
    pkt.eth.type = 3
    return pkt.ip.proto


def joined(ctx: Any):  # type: ignore[no-untyped-def]
    first = pkt.eth.type if len(pkt) > 40 else 0
    return first + pkt.ip.proto


def in_a_loop(ctx: Any):  # type: ignore[no-untyped-def]
    total = pkt[0]
    for i in range(pkt[1] & 3):
        total += pkt[20 + i]
    return total + pkt.ip.dst


def compared(function: Callable[..., Any], record: bool) -> int:
    """Comparisons with the packet's end in the machine code: of one address with another, unsigned."""
    spec = compile_program(function, hooks.xdp(), record_faults=record).spec
    (program,) = spec.programs.values()
    return sum(one.op.name in ("jgt64_x", "jlt64_x", "jge64_x", "jle64_x") for one in program.insns)


@pytest.mark.parametrize(
    ("function", "plain", "recorded"),
    [(fields, 1, 3), (on_the_way, 2, 4), (another_result, 2, 2), (an_effect, 2, 2), (a_store, 2, 2), (joined, 2, 2)],
)
def test_tests_are_merged_where_nobody_can_tell(function: Callable[..., Any], plain: int, recorded: int) -> None:
    assert compared(function, record=False) == plain
    assert compared(function, record=True) == recorded


def test_tests_in_loops_stay() -> None:
    assert compared(in_a_loop, record=False) >= 3
