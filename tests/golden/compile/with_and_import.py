"""Statements of programs that have files."""

from bpfvm import u32


def program(a: u32) -> u32:
    with open("f") as file:  #~ E062 holds nothing that a BPF program knows
        pass
    from math import pi  #~ E062 `import` inside a function is not available in
    return a
