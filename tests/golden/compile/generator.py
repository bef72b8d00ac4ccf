"""Values given one by one."""

from bpfvm import u32


def program(a: u32) -> u32:
    for i in range(a):
        yield i  #~ E062 `yield` is not available in BPF programs
    got = yield from (1, 2)  #~ E062 `yield from` is not available in BPF programs
    return a
