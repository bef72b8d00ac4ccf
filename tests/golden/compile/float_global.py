"""A fraction from the module."""

from bpfvm import u32, u64

RATE = 0.25


def program(a: u32) -> u64:
    return a * RATE  #~ E045 `RATE` is a float; BPF has no floating point
