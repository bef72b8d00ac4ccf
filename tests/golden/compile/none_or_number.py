"""A result that may be missing."""

from bpfvm import u32


def program(a: u32) -> u32:
    best = None
    if a > 3:
        best = a
    return best + 1  #~ E047 `best` is int on one path to here and None on
