"""Two functions that call each other."""

from bpfvm import u8


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)  #~ E061 `even` is called while it runs


def program(a: u8) -> bool:
    return even(a)
