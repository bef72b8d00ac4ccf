"""A quotient that is compared."""

from bpfvm import u32


def program(a: u32, b: u32) -> bool:
    return a > 0 and b / a > 2  #~ E042 `/` makes a float; BPF has no floating point
