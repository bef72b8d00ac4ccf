"""A sum that starts with nothing."""

from bpfvm import u32


def program(a: u32) -> u32:
    total += a  #~ E050 `total` has no value yet
    return total
