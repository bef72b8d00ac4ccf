"""Names of objects that branches and loops leave different."""

from __future__ import annotations

from bpfvm import struct, u8, u32


@struct
class Point:
    x: u32 = 0


@struct
class Other:
    x: u32 = 0


def program(a: u32) -> u32:
    total = 0
    p = Point()
    for i in range(4):
        total += p.x  #~ E047 `p` may be a struct Point that an earlier turn of the loop made
        p = Point(x=i)
    q = Point() if a > 3 else Other()  #~ E047 is a struct Point on one path and a struct Other on another
    if a > 5:
        r = u8[4]()
    else:
        r = u8[5]()
    return total + q.x + r[0]  #~ E047 `r` is an array u8[4] on one path to here and an array u8[5] on another
