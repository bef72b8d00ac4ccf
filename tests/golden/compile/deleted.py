"""A name unbound on purpose."""

from bpfvm import u32


def program(a: u32) -> u32:
    x = a
    del x  #~ E062 `del` is not available in BPF programs
    return x
