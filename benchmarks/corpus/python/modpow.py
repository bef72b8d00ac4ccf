"""A power modulo a number of 32 bits, by squaring; modulo 0 gives 0."""

from bpfvm import bpf, u32


@bpf.function
def modpow(base: u32, exponent: u32, modulus: u32) -> u32:
    if modulus == 0:
        return 0
    base %= modulus
    power = 1
    for _ in range(32):
        if exponent & 1:
            power = power * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return power % modulus
