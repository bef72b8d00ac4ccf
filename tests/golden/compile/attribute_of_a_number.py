"""Attributes of numbers, one misspelled."""

from bpfvm import u32


def program(a: u32) -> u32:
    return a.bit_lenght() + a.real + a.size  #~ E037 int has no attribute `bit_lenght` #~ E037 int has no attribute `size`
