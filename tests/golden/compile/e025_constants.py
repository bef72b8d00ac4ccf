"""Expressions of constants that raise are errors of the text."""

import enum
import socket

from bpfvm.lang.types.scalars import u32

PAIR = (1, 2)
NAMES = {"ssh": 22}


class Kind(enum.IntEnum):
    LOW = 1
    HIGH = 2


def program(a: u32) -> u32:  # hook: function
    b = a >> -1  #~ E025 raises ValueError: negative shift count
    a += PAIR[2]  #~ E025 raises IndexError: the tuple has 2 items
    a += NAMES["http"]  #~ E025 raises KeyError #~ W113 `NAMES` is a dict
    a += socket.htons("x")  #~ E025 raises TypeError
    a += int("0b3")  #~ E025 raises ValueError
    a += Kind(3)  #~ E025 raises ValueError: 3 is not a valid Kind
    a += len("x" * 10**10)  #~ E025 has more than 1048576 items
    if "x" < 3:  #~ E025 raises TypeError
        a += 1
    return a
