"""crash: an item of `in` that only a register tells, behind others that the interval of the number has decided on."""
from bpfvm import bpf, u8, u32


@bpf.function
def f(a: u32, b: u8) -> int:
    low = b & 1
    return (low in (0, 1, a)) + 2 * (low + 4 in (a, 4, 5, a + 1)) + 4 * (low in (a, low, 9))


INPUTS = ((0, 0), (5, 1), (4, 1), (3, 0))
