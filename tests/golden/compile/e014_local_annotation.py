"""Annotations of local names must be types of numbers."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    b: str = a  #~ E014 is no type of a number
    c: u33 = a  #~ E014 `u33` is not defined
    return b + c
