"""A name without a value where no branch was taken."""

from bpfvm import u32


def program(a: u32) -> u32:
    if a > 3:
        level = 1
    elif a > 2:
        level = 2
    return level  #~ E050 `level` has a value on some paths to here only
