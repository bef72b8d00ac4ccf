"""An annotation of a local name does not convert."""

from bpfvm.lang.types import u32


def program(a: u32, b: u32) -> u32:
    h: u32 = a + b  #~ E048 the annotation `h: u32` does not convert
    t: bool = a & 1  #~ E048 this value is int
    i: int = a * b * a  #~ E048 the annotation `i: int` does not convert
    return u32(h + t + i)
