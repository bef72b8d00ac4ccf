"""Constants that a register cannot hold."""

from bpfvm.lang.types.scalars import u32

HUGE = 1 << 70


class Odd(int):
    def __add__(self, other):
        return 42


ODD = Odd(1)


def program(a: u32) -> u32:
    if a > HUGE:  #~ E045 it needs 71 bits
        return 1
    b = a + 0x1_0000_0000_0000_0001  #~ E045 it needs 65 bits
    return a * 1.5 + b + ODD  #~ E045 BPF has no floating point #~ E045 operators of its own
