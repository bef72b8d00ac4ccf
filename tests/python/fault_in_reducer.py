"""fault: the one item of max() always raises, and CPython without an item raises ValueError."""
from bpfvm import bpf, s32, s64


def never():
    raise IndexError


@bpf.function
def f(a: s64) -> s32:
    if a == 5:
        return sum((never() for i in range(a) if i), 3)
    if a == 6:
        return any(never() for i in range(2) if a)
    return max((never() for i in range(0, 1, 1) if a))


INPUTS = ((0,), (1,), (5,), (6,))
