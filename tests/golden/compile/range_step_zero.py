"""Ranges that Python refuses, and a number gone over."""

from bpfvm import u32


def program(n: u32) -> u32:
    for i in range(0, 10, 0):  #~ E022 the step of a range is a constant that is not 0
        pass
    for i in range(1.5):  #~ E045 `1.5` is a float; BPF has no floating point
        pass
    for i in n:  #~ E063 a `for` goes over ranges and tuples, and `n` is
        pass
    return n
