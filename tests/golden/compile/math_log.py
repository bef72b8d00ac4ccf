"""A logarithm by the math module."""

from bpfvm import u32
import math


def program(a: u32) -> u32:
    return u32(math.log2(a))  #~ E022 the function `log2` takes constants here, and
