"""A name bound in one arm of a condition."""

from bpfvm import u32


def program(a: u32) -> u32:
    return (y := a) if a > 3 else y  #~ E050 `y` has no value yet
