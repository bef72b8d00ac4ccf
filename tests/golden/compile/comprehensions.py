"""Collections built by loops."""

from bpfvm import u32


def program(a: u32) -> u32:
    squares = [x * x for x in range(a)]  #~ E062 a list comprehension is not available in BPF
    names = {x: x for x in range(3)}  #~ E062 a dict comprehension is not available in BPF
    return a
