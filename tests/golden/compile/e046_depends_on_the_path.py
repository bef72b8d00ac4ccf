"""A value of two classes, where they give different numbers; its low bits, which are the same."""

from bpfvm.lang.types.scalars import s32, u32, u64


def program(a: u64, b: s32) -> u64:
    c = min(a, b)
    d = (c - 1) // 3  #~ E046 `c - 1` is int or u64 depending on the path
    e = u32(-c) + (c - 1) % 16 + (c * 3 & 0xFF)
    return d + e + abs(c - 1)  #~ E046 `c - 1` is int or u64 depending on the path
