"""Stores through views that can only be read."""

from __future__ import annotations

from bpfvm import struct, u8, u32


@struct
class Point:
    x: u32 = 0


def program(a: u32) -> u32:
    data = u8[16]()
    part = data[4:8]
    part[0] = u8(a)  #~ E031 an element of u8[4] lies in memory that can only be read
    part[1] += 1  #~ E031 an element of u8[4] lies in memory that can only be read
    points = Point[4]()
    some = points[0:2]
    some[a & 1].x = a  #~ E031 field `x` of Point lies in memory that can only be read
    data[4:8][0:2] = b"ab"  #~ E031 the slice
    return data[4]
