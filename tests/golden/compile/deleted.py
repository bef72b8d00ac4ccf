"""A name unbound on purpose."""

from bpfvm import u32


def program(a: u32) -> u32:
    x = a
    del x  #~ E062 `del x` is not available
    return x
