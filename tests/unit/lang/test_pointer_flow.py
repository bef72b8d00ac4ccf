# mypy: disable-error-code="type-arg, valid-type, index"
"""Pointers where ways meet, in loops, in subprograms and in tuples."""

from __future__ import annotations

import struct as bytes_of
from collections.abc import Mapping

import pytest

from bpfvm import KernelPtr, UserPtr, bpf, struct, u32, u64
from bpfvm.program import Program

FIRST, SECOND, THIRD = 0x1000, 0x2000, 0x3000


@struct
class Link:
    """One of a list."""

    held: u64
    next: UserPtr[Link]


MEMORY: Mapping[int, bytes] = {
    FIRST: bytes_of.pack("<QQ", 1, SECOND),
    SECOND: bytes_of.pack("<QQ", 20, THIRD),
    THIRD: bytes_of.pack("<QQ", 300, 0),
}


@bpf.function
def walked(p: UserPtr[Link]) -> u64:
    total = u64(0)
    while p:
        total += p.held
        p = p.next
    return total


@bpf.function
def searched(p: UserPtr[Link], wanted: u64) -> u32:
    for i in range(8):
        if not p:
            return 100
        if p.held == wanted:
            return i
        p = p.next
    return 200


@bpf.function
def chosen(p: UserPtr[Link], q: UserPtr[Link], first: bool) -> u64:
    one = p if first else q
    both = (p, q) if first else (q, p)
    if first:
        text = p
    else:
        text = q
    return one.held * 10000 + both[1].held * 100 + text.held


@bpf.function
def own(p: UserPtr[Link]) -> u64:
    return p.next.next.held + (p.next.next.next.held == 0)


def best(p: UserPtr[Link], q: UserPtr[Link]) -> UserPtr[Link]:
    """Written out where it is called."""
    if p.held > q.held:
        return p
    return q


@bpf.func
def value_of(p: UserPtr[Link], times: u64) -> u64:
    """A subprogram."""
    return p.held * times


@bpf.func
def flagged(p: KernelPtr[u64]) -> bool:
    """Another one."""
    return bool(p) and p[0] == 1


@bpf.function
def called(p: UserPtr[Link], q: UserPtr[Link]) -> u64:
    return best(p, q).held + value_of(p, u64(2)) + value_of(q, u64(3)) + flagged(KernelPtr[u64](0))


CASES: tuple[tuple[Program, tuple[int, ...], int], ...] = (
    (walked, (FIRST,), 321),
    (walked, (0,), 0),
    (searched, (FIRST, 300), 2),
    (searched, (FIRST, 7), 100),
    (searched, (SECOND, 20), 0),
    (chosen, (FIRST, SECOND, 1), 1 * 10000 + 20 * 100 + 1),
    (chosen, (FIRST, SECOND, 0), 20 * 10000 + 1 * 100 + 20),
    (own, (FIRST,), 301),
    (called, (FIRST, SECOND), 20 + 2 + 60),
    (called, (THIRD, SECOND), 300 + 600 + 60),
)


@pytest.mark.parametrize(("program", "given", "want"), CASES, ids=lambda one: getattr(one, "name", str(one)))
def test_all_machines_agree(program: Program, given: tuple[int, ...], want: int) -> None:
    outcome = program.check(*given, memory=MEMORY)
    assert outcome.value == want
    assert len(outcome.engines) >= 3
