"""How many bits two words differ in, and how long their difference is."""

from bpfvm import bpf, u32, u64


@bpf.function
def popcount(a: u64, b: u64) -> u32:
    different = a ^ b
    return different.bit_length() << 8 | different.bit_count()
