"""A shift by anything up to 255."""

from bpfvm import u8, u32, u64


def program(a: u32, n: u8) -> u64:
    x = a << n
    if x > 5:  #~ E040 `x` may not fit in 64 bits, and its exact value
        return 1
    return u64(1 << n)
