"""An error in a function that the program calls."""

from bpfvm import u32


def share(part, whole):
    return part / whole  #~ E042 `/` makes a float; BPF has no floating point


def program(a: u32, b: u32) -> u32:
    return u32(share(a, b + 1))
