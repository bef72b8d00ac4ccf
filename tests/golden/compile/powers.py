"""Exponents that are not known, negative or too large."""

from bpfvm import u8, u64


def program(a: u8, n: u8) -> u64:
    x = a ** n  #~ E043 an exponent must be a constant from 0 to 64
    y = a ** -1  #~ E043 an exponent must be a constant from 0 to 64
    z = 2 ** a
    return u64(a ** 65)  #~ E043 an exponent must be a constant from 0 to 64
