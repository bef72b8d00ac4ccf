"""A function in a name."""

from bpfvm import u32


def program(a: u32) -> u32:
    twice = lambda x: x * 2  #~ E062 a lambda as a value is not available in BPF
    return twice(a)
