"""A fault that the passes prove away: the object has its site and no record of faults."""
from bpfvm import bpf, u8


@bpf.function
def f(a: u8) -> u8:
    if a * 0 == 1:
        return 3 // a
    for i in range(3):
        if i == 7:
            return 5 // a
    return a


INPUTS = ((0,), (1,), (255,))
