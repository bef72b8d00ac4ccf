"""Exceptions cannot be caught: what would raise ends the program."""

from bpfvm.lang.types.scalars import u32


def program(a: u32, b: u32) -> u32:  # hook: function
    try:  #~ E060 `try` is not available in BPF programs
        a //= b
    except ZeroDivisionError:
        a = 0
    return a
