"""Fractions written in the function."""

from bpfvm import u32


def program(a: u32) -> u32:
    if a > 1.5:  #~ E045 `1.5` is a float; BPF has no floating point
        return 1
    return u32(a * 0.1)  #~ E045 `0.1` is a float; BPF has no floating point
