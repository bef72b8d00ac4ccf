"""A verdict by its name."""

# hook: xdp
from bpfvm import XDP_DROP, pkt


def program(ctx):
    if len(pkt) > 60:
        return "XDP_DROP"  #~ E024 a program returns a number, and `"XDP_DROP"` is
    return pkt.ip  #~ E024 a program returns a number, and `pkt.ip` is a
