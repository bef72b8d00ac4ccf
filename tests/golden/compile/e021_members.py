"""A number is made an enum's member only where it is proved to be one."""

import enum

from bpfvm.lang.types.scalars import u32


class Kind(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Sparse(enum.IntEnum):
    ONE = 1
    NINE = 9


class Plain(enum.Enum):
    A = 1


def program(a: u32) -> u32:  # hook: function
    b = Kind(a)  #~ E021 `a` may be no member of Kind
    c = Sparse(a)  #~ E021 `a` may be no member of Sparse
    d = Plain(a)  #~ E022 which is no number
    if 1 <= a <= 2:
        return Kind(a)
    return b + c
