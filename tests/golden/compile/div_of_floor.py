"""Functions that take a float back to an int."""

from bpfvm import u32
import math


def program(a: u32, b: u32) -> u32:
    x = math.floor(a / b)  #~ E042 `/` makes a float; BPF has no floating point
    return u32(round(a / 3)) + x  #~ E042 `/` makes a float; BPF has no floating point
