"""Classes that wrap differently."""

from bpfvm import s64, u64


def program(a: u64, b: s64, flag: bool) -> u64:
    x = a - b  #~ E041 `-` has a u64 on its left and an s64 on its
    y = flag + a  #~ E041 `+` has a bool on its left and a u64 on its
    if a < b:
        y += 1
    return y
