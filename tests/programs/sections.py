"""Global data: structs that programs and user space share."""

from __future__ import annotations

from bpfvm import bpf, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class State:
    total: u64 = 0
    last: u32 = 0
    seen: u8[4] = b""

    def most(self) -> int:
        """Of both numbers."""
        return max(self.total, self.last)


@struct
class Limits:
    most: u32 = 100
    name: u16 = 0


state = bpf.data(State)
other = bpf.data(State(last=7))
limits = bpf.const(Limits(most=10))
limits.name = 3
hits = bpf.map("array", 8)
kinds = bpf.map("hash", 8)


@case((1,), (5,), (20,), (2,))
def data_counts(n: u32) -> u64:
    """What is stored stays for the next run."""
    if n > limits.most:
        return limits.name
    state.total += n
    state.last = n
    state.seen[n & 3] = 1
    state.seen[3] |= 4
    return state.total * 10 + state.last + state.seen[1] + state.seen[3]


@case((1,), (50,), (1,))
def data_of_another(n: u32) -> u64:
    """Data that does not begin with zeros, by reference and as a copy."""
    one = other
    one.last = u32(one.last + n)
    kept = other.copy()
    other.total = n
    return one.most() + kept.total * 1000 + (one == kept)


@case((3, 4), (3, 5), (9, 1))
def data_and_maps(k: u32, n: u32) -> u64:
    """Maps by the kernel's names."""
    hits[k] += n
    hits.add(k, 1)
    kinds[k] += n
    kinds.add(u32(k + 1), 2)
    return hits[k] * 100 + kinds[k] + kinds[99]
