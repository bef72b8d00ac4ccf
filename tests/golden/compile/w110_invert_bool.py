"""`~` of a truth value is never false."""

from bpfvm.lang.types.scalars import s8, u32


def program(a: u32) -> s8:
    return ~(a > 3)  #~ W110 `~` of a truth value
