"""Exact values that a register may not hold, wherever they are needed."""

from bpfvm.lang.types.scalars import u8, u32


def program(n: u32, size: u32, limit: u8) -> u32:
    if n * n * size > limit:  #~ E040 `n * n * size` may not fit in 64 bits
        return 1
    big = n * n * size
    a = big // 3 + 5 % (big + 1)  #~ E040 `big` may not #~ E040 `big + 1` may not
    b = big >> 2  #~ E040 `big` may not
    c = abs(big) + min(1, big)  #~ E040 `big` may not #~ E040 `big` may not
    d = 1 << n  #~ E040 needs a bound for its count
    if big:  #~ E040 `big` may not
        return a + b + c + d
    return big  # mod 2**32, as it is declared
