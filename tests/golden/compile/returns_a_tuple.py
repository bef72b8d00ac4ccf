"""No value, and two."""

from bpfvm import u32


def program(a: u32, b: u32) -> u32:
    if a > b:
        return  #~ E024 the function must return a u32, and returns
    return a, b  #~ E024 a program returns a number, and `a, b` is a
