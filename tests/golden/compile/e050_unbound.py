"""Names that may not be bound."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    if a > 3:
        b = a
    c += 1  #~ E050 `c` has no value yet
    return b + c  #~ E050 `b` has a value on some paths to here only
