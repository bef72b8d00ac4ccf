"""Comparisons that intervals decide."""

from bpfvm.lang.types.scalars import u32, u64


def program(a: u32, b: u64) -> u32:
    if b < 0:  #~ W130 `b < 0` is always False
        return 1
    if 0 <= a <= 0xFFFF_FFFF:  #~ W130 `0 <= a` is always True #~ W130 is always True
        return 2
    return 3
