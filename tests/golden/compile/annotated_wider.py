"""Annotations taken for conversions."""

from bpfvm import s8, u8, u16, u32


def program(a: u32, b: u8) -> u8:
    x: u16 = a  #~ E048 the annotation `x: u16` does not convert; this
    y: s8 = b  #~ E048 the annotation `y: s8` does not convert; this
    return u8(x + y)
