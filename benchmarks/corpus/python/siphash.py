"""SipHash-2-4 of eight bytes (Aumasson, Bernstein 2012)."""

from bpfvm import bpf, rol, u64


def turn(a, b, c, d):
    a += b
    c += d
    b = rol(b, 13, 64) ^ a
    d = rol(d, 16, 64) ^ c
    a = rol(a, 32, 64)
    c += b
    a += d
    b = rol(b, 17, 64) ^ c
    d = rol(d, 21, 64) ^ a
    c = rol(c, 32, 64)
    return a, b, c, d


@bpf.function
def siphash(low: u64, high: u64, word: u64) -> u64:
    a, b = low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D
    c, d = low ^ 0x6C7967656E657261, high ^ 0x7465646279746573
    for block in (word, 8 << 56):
        d ^= block
        a, b, c, d = turn(*turn(a, b, c, d))
        a ^= block
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = turn(a, b, c, d)
    return a ^ b ^ c ^ d
