"""A number turned into text."""

from bpfvm import u32


def program(a: u32) -> u32:
    name = str(a)  #~ E022 the type `str` takes constants here, and `a` is
    return len(name)
