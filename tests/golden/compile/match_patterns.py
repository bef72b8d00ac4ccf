"""A pattern of a dict among others."""

from bpfvm import u32


def program(a: u32) -> u32:
    match a:
        case [1, x]:
            return 1
        case {"a": 1}:  #~ E062 a mapping pattern is not available in BPF
            return 2
        case int(x):
            return 3
        case "tcp":
            return 4
    return 0
