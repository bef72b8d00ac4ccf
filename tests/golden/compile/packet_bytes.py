"""A packet as if it were bytes."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, pkt


def program(ctx):
    if pkt[12] == 8:  #~ E022 the packet has no items
        return XDP_DROP
    return XDP_PASS
