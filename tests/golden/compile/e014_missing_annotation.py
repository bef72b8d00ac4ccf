"""A function of scalars says what its parameters are."""

from bpfvm.lang.types.scalars import u32


def program(a, b: u32) -> u32:  #~ E014 parameter a needs a type
    return a + b
