"""A truth value turned round as in C."""

from bpfvm import u32


def program(a: u32, b: u32) -> u32:
    drop = a > b
    if ~drop:  #~ W110 `~` of a truth value gives -1 or -2, which are
        return 1
    return 0
