"""An argument of be16 is cut to its bits, so that the compiler knows its range."""
from bpfvm import be16, be32, bpf, u64


@bpf.function
def f(a: be16, b: be32) -> be16:
    c: u64 = u64(a * b)
    return c - 1


INPUTS = ((0, 0), (65535, 4294967295), (258, 16909060))
