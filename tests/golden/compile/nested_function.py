"""A function inside of the program."""

from bpfvm import u32


def program(a: u32) -> u32:
    def twice(x):  #~ E063 a function inside a function is not available
        return x * 2
    return u32(twice(a))
