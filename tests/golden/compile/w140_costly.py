"""Loops inside of loops that the kernel's verifier walks through for long."""

from bpfvm.lang.types.scalars import u32, u64


def program(a: u32) -> u64:  # hook: function
    total = u64(a)
    while total & 3:  #~ W140 this loop makes the kernel's verifier walk through some
        for i in range(3000):
            total = (total * 3 + i) ^ (total >> 7) ^ (total << 9)
    return total
