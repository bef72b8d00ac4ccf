"""Output as in Python."""

# hook: xdp
from bpfvm import XDP_PASS, pkt


def program(ctx):
    print("packet of", len(pkt))  #~ E063 the function `print` is not available in this
    return XDP_PASS
