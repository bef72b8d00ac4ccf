"""The number of a map's elements."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    if len(hits) > 2:  #~ E022 `len` is that of the packet, len(pkt), of
        return XDP_DROP
    return XDP_PASS
