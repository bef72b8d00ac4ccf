"""A default that nobody would use."""

from bpfvm import u32


def program(a: u32 = 5) -> u32:  #~ E014 a program takes plain parameters: no defaults
    return a
