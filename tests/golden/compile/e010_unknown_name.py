"""A name that is bound nowhere."""

from bpfvm.lang.types.scalars import u32

limit = 3


def program(a: u32) -> u32:
    return a + limti  #~ E010 `limti` is not defined
