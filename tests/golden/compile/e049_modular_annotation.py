"""`x: u64 = 0` is a plain int in CPython."""

from bpfvm.lang.types.scalars import u32, u64


def program(a: u32) -> u64:
    x: u64 = 0  #~ E049 the annotation `x: u64` does not convert
    x += a
    return x
