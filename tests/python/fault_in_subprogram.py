"""fault: a subprogram whose result always raises was not called."""
from bpfvm import bpf, s32, u32


@bpf.func
def g(p: u32) -> u32:
    return min((1 for i in range(p & 7) if 3 == 4))


def h(p):
    return max((1 for i in range(p & 7) if 3 == 4))


@bpf.function
def f(a: u32) -> s32:
    if a & 1:
        a = h(a)
    g(a)
    return 5


INPUTS = ((0,), (1,), (7,))
