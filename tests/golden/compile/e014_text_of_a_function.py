"""A text as the parameter of a function of numbers."""

from bpfvm import u32


def program(who: str, n: u32) -> u32:  #~ E014 parameter who must have a scalar type (u8 to s64, bool, int), not str
    return n
