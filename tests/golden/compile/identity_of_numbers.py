"""Numbers compared by identity."""

from bpfvm import u32


def program(a: u32) -> u32:
    if a is 5:  #~ E044 `is` compares identities, and only None, True
        return 1
    if a is not 0:  #~ E044 `is` compares identities, and only None, True
        return 2
    return 3
