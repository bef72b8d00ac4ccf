"""A declared result must be given on every path."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:  #~ E024 can end without one
    if a == 1:
        return 7
    elif a == 2:
        return  #~ E024 returns nothing here
    elif a == 3:
        return (a, a)  #~ E024 a tuple of 2
