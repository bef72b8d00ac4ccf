"""Items of a number, and of a tuple by an index that is not known."""

from bpfvm import u32


def program(a: u32) -> u32:
    b = (a, 2, 3)
    return a[0] + b[a] + b[5]  #~ E022 int has no items #~ E022 the index of a tuple of 3 must be a constant #~ E025 `b[5]` raises IndexError: the tuple has 3 items
