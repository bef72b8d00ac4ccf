"""A divisor that is known to be 0."""

from bpfvm.lang.types.scalars import u32

UNIT = 0


def share(a, b):
    return a // b  # a fault where a caller gives 0: others give other numbers


def program(a: u32, b: u32) -> u32:  # hook: function
    zero, c = 0, a
    d = b // zero if zero else 3
    if b == 0:
        d //= b  # what a test has shown is no constant
    c %= zero  #~ E025 `c %= zero` raises ZeroDivisionError
    return a // 0 + b % UNIT + share(b, 7) + share(b, d)  #~ E025 `a // 0` raises Zero #~ E025 `b % UNIT` raises Zero
