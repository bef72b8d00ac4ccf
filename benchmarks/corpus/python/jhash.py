"""Jenkins' hash lookup3 of three words."""

from bpfvm import bpf, rol, u32


def final(a, b, c):
    c = (c ^ b) - rol(b, 14, 32)
    a = (a ^ c) - rol(c, 11, 32)
    b = (b ^ a) - rol(a, 25, 32)
    c = (c ^ b) - rol(b, 16, 32)
    a = (a ^ c) - rol(c, 4, 32)
    b = (b ^ a) - rol(a, 14, 32)
    return (c ^ b) - rol(b, 24, 32)


@bpf.function
def jhash(a: u32, b: u32, c: u32, seed: u32) -> u32:
    start = 0xDEADBEEF + (3 << 2) + seed
    return final(a + start, b + start, c + start)
