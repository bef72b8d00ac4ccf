"""Atomic operations with a result."""

from __future__ import annotations

from bpfvm import Array, Counter, bpf, s32, struct, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class State:
    total: u64 = 0
    flags: u32 = 0
    level: s32 = 0


totals = Array(u64, 4, name="totals")
small = Array(u32, 4, name="small")
states = Array(State, 4, name="states")
counts = Counter(u32, s32, 8, name="counts")


@case((1, 5), (1, 2**63), (1, 2**64 - 1), (3, 7), (4, 1))
def fetch_of_array(i: u32, n: u64) -> u64:
    """The old value, each time."""
    a = bpf.fetch_add(totals, i, n)
    b = bpf.xchg(totals, i, totals[i] + 1)
    c = bpf.fetch_or(small, i, n)
    d = bpf.fetch_xor(small, i, 0xFF)
    e = bpf.fetch_and(small, i, 0xF0)
    return u64(a + b * 3 + c + d + e)


@case((1, 0, 5), (1, 5, 6), (2, 5, 1), (1, 6, 2**64 - 1))
def fetch_compare(i: u32, expected: u64, n: u64) -> u64:
    """Stored where it is what was expected."""
    old = bpf.cmpxchg(totals, i, expected, n)
    more = bpf.cmpxchg(small, i, u32(expected), u32(n))
    return u64(old * 1000 + more + totals[i] + small[i])


@case((0, 3), (0, 2**32 - 1), (2, 9))
def fetch_of_fields(i: u32, n: u32) -> u64:
    """Fields of elements and of objects on the stack."""
    one = State(total=4)
    a = bpf.fetch_add(states[i], "total", n) + bpf.fetch_add(one, "total", 2)
    b = bpf.fetch_add(states[i], "level", n)
    c = bpf.xchg(states[i], "level", -3)
    bpf.fetch_or(states[i], "flags", n)
    return u64(a + b + c + states[i].flags + one.total)


@case((3, 3), (3, 2), (4, 9), (5, 0))
def fetch_of_hash(k: u32, n: u32) -> u64:
    """A missing key is a fault."""
    if n == 3 or n == 9:
        counts[k] -= 5
    return u64(bpf.fetch_add(counts, k, n) + counts[k])
