"""Something that cannot be called."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    return a(3)  #~ E012 `a` is int, which cannot be called
