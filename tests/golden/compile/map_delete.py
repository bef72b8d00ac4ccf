"""An element of an array taken out."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    del hits[0]  #~ E022 an element of `hits` cannot be deleted
    return XDP_PASS
