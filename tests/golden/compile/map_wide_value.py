"""Sums stored in narrower elements."""

# hook: xdp
from bpfvm import XDP_PASS, Array, pkt, u16

sizes = Array(u16, 4)


def program(ctx):
    sizes[0] += len(pkt)  #~ W115 `sizes[0] += len(pkt)` may not fit u16; the
    sizes[1] = sizes[0] + sizes[2]  #~ W115 `sizes[0] + sizes[2]` may not fit u16; the
    return XDP_PASS
