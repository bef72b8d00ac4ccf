"""Functions whose results are sequences."""

from bpfvm import u32


def program(a: u32, b: u32) -> u32:
    low, high = sorted((a, b))  #~ E022 the function `sorted` takes constants here, and
    return divmod(a, b)  #~ E024 a program returns a number, and `divmod(a, b)`
