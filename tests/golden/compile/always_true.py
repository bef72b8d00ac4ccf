"""Comparisons that the types decide."""

from bpfvm import u8, u32


def program(a: u32, b: u8) -> u32:
    if a >= 0:  #~ W130 `a >= 0` is always True
        a = 3
    if b == 300:  #~ W130 `b == 300` is always False
        return 1
    while b < 256:  #~ W130 `b < 256` is always True
        return 2
    return a
