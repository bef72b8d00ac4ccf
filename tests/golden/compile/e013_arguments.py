"""Too many arguments, arguments by name, tuples that do not match."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    b = u32(a, 3)  #~ E013 `u32` takes 0 to 1 arguments here, and got 2
    c = abs(x=a)  #~ E013 takes no arguments by name
    d, e = a, a, a  #~ E013 2 names are to take 3 values
    return min() + b + c + d + e  #~ E013 `min` takes at least 2 arguments
