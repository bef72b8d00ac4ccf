"""A product that doubles on every turn."""

from bpfvm import u32, u64


def program(n: u32) -> u64:
    total = 1
    for i in range(n):
        total *= 2  #~ E040 `total` may not fit in 64 bits after some turns
    return u64(total)
