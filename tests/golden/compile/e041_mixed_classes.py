"""u64 and s64 together; a bool or an enum's member on the left of either."""

import enum

from bpfvm.lang.types.scalars import s64, u64


class Level(enum.IntEnum):
    LOW = 1


def program(a: u64, b: s64, c: bool) -> u64:
    d = a + b  #~ E041 `+` has a u64 on its left and an s64 on its right
    e = c + a  #~ E041 has a bool on its left
    f = Level.LOW | a  #~ E041 has an enum member on its left
    a -= b  #~ E041 `-` has a u64
    return d + e + f + a
