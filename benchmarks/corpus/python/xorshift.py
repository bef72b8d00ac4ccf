"""Marsaglia's xorshift64, so many turns, and the multiplication of its variant with a star."""

from bpfvm import bpf, u32, u64


@bpf.function
def xorshift(state: u64, turns: u32) -> u64:
    for _ in range(min(turns, 64)):
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
    return state * 0x2545F4914F6CDD1D
