"""An annotation of a local name does not convert."""

from bpfvm import struct
from bpfvm.lang.types.scalars import u8, u32


@struct
class Point:
    x: u32 = 0


def program(a: u32, b: u32) -> u32:
    h: u32 = a + b  #~ E048 the annotation `h: u32` does not convert
    t: bool = a & 1  #~ E048 this value is int
    i: int = a * b * a  #~ E048 the annotation `i: int` does not convert
    p: u32 = Point()  #~ E048 the annotation `p: u32` does not convert; this value is a struct Point
    q: Point = p
    data: u8[4] = u8[4]()
    more: u8[5] = data  #~ E048 the annotation `more: u8[5]` does not convert; this value is an array u8[4]
    return u32(h + t + i + q.x + more[0])
