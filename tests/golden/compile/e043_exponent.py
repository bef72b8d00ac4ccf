"""Exponents are constants."""

from bpfvm.lang.types.scalars import s8, u8


def program(a: u8, n: u8, m: s8) -> u8:
    b = a**n  #~ E043 and `n` lies in [0, 255]
    c = 2**m  #~ E043 and `m` lies in [-128, 127]
    return a**-1 + b + c  #~ E043 an exponent must be a constant from 0 to 64, not -1
