"""`/` makes a float."""

from bpfvm.lang.types.scalars import u32


def program(a: u32, b: u32, d: u32) -> u32:
    c = a / b  #~ E042 `/` makes a float
    b /= 2  #~ E042 `/` makes a float
    return (a + d) / 1000  #~ E042 `/` makes a float
