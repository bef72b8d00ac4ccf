"""The integer square root by Newton's way, from above."""

from bpfvm import bpf, u64


@bpf.function
def isqrt(number: u64) -> u64:
    root = 1 << 32
    for _ in range(40):
        better = root + number // root >> 1
        if better >= root:
            break
        root = better
    return root
