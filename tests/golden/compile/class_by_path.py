"""A number that wraps on one path only."""

from bpfvm import u32, u64


def program(a: u64, b: u32) -> u64:
    x = a if a > 5 else b
    return x - 1  #~ E046 `x - 1` is int or u64 depending on the path
