"""A map made by the program."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64


def program(ctx):
    hits = Array(u64, 4)  #~ E063 the type `Array` is not available in this
    hits[0] += 1
    return XDP_PASS
