"""The number of a map's elements."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    if len(hits) > 2:  #~ E033 `len(hits)` is not how many entries the map has
        return XDP_DROP
    return XDP_PASS
