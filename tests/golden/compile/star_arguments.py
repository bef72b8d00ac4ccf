"""Arguments unpacked in a call."""

from bpfvm import u32


def both(*numbers):
    return numbers[0]


def program(a: u32) -> u32:
    first, *rest = a, a, a
    return both(*[a, a]) + abs(**{})  #~ E062 a list is not available in BPF programs #~ E062 `**` in a call is not available in BPF programs
