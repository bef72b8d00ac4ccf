"""Arguments unpacked in a call."""

from bpfvm import u32


def both(*numbers):
    return numbers[0]


def program(a: u32) -> u32:
    first, *rest = a, a, a
    return both(*[a, a]) + print(**{})  #~ E062 a list is not available in BPF programs #~ E063 the function `print` is not available in this #~ E062 `**` in a call is not available in BPF programs
