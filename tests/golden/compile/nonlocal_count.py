"""A closure variable that is counted up."""

from bpfvm import u32


def make():
    count = 0
    def program(a: u32) -> u32:
        nonlocal count
        count += 1  #~ E051 a BPF program cannot rebind `count` of the
        return count
    return program

program = make()
