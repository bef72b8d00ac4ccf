"""value: `m[i] += g()` adds to what stood there before g() stored something else."""
from bpfvm import Array, bpf, s64, u32, u64

m = Array(u64, 2)
n = Array(u32, 1)


@bpf.func
def g(p: u64) -> u32:
    m[0] -= p
    return 7


def h(p):
    m[p & 1] = 100
    return 3


@bpf.function
def f(a: u32) -> u64:
    m[0] += g(u64(a))
    m[0] ^= h(a)
    m[1] -= (b := a & 3)
    n[0] |= m[1] & 0xFF
    n[0] += 1 if a else h(a)
    return m[0] + m[1] * 3 + n[0] + b


INPUTS = ((0,), (1,), (2,), (4294967295,))
