"""Exponents are constants."""

from bpfvm.lang.types import s8, u8


def program(a: u8, n: u8, m: s8) -> u8:
    b = a**n  #~ E043 `n` must be a constant
    c = 2**m  #~ E043 `m` must be a constant
    return a**-1 + b + c  #~ E043 `-1` must be a constant
