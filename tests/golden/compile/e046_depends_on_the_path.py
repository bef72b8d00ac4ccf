"""A value of two classes, where they give different numbers."""

from bpfvm.lang.types import s32, u64


def program(a: u64, b: s32) -> u64:
    c = min(a, b)
    d = c - 1  #~ E046 is int or u64 depending on the path
    return u64(d) + u64(-c)  #~ E046 is int or u64 depending on the path
