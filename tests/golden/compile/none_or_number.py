"""A result that may be missing."""

from bpfvm import u32


def program(a: u32) -> u32:
    best = None
    if a > 3:
        best = a
    return best + 1  #~ E030 `best` may be None here
