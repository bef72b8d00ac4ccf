"""A program cannot rebind a global."""

from bpfvm.lang.types.scalars import u32

total = 0


def program(a: u32) -> u32:
    global total
    total += a  #~ E051 cannot rebind `total`
    return total
