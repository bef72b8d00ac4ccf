"""`is` compares identities."""

from bpfvm.lang.types.scalars import u32


def program(a: u32, b: u32) -> u32:
    if a is b:  #~ E044 `is` compares identities
        return 1
    if (a if a < 3 else a == b) is True:  #~ E044 its identity depends on the path
        return 2
    return a is not 5  #~ E044 `is` compares identities
