"""A number compared with its name."""

from bpfvm import u32


def program(a: u32) -> bool:
    return a == "tcp"  #~ E022 `==` compares numbers, and `"tcp"` is the str
