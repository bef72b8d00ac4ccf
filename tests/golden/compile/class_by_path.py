"""A number that wraps on one path only."""

from bpfvm import u32, u64


def program(a: u64, b: u32) -> u64:
    x = a if a > 5 else b
    y = x - 1  # its low bits are the same on both paths
    if y > 100:  #~ E046 `y` is int or u64 depending on the path
        y = 0
    return y
