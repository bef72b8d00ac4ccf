"""A name without a value where no case fits."""

from bpfvm import u32


def program(a: u32) -> u32:
    match a:
        case 1:
            x = 5
        case 2 | 3:
            x = 7
    return x  #~ E050 `x` has a value on some paths to here only
