"""Fields that are written."""

# hook: xdp
from bpfvm import XDP_TX, pkt


def program(ctx):
    pkt.ip.ttl -= 1  #~ E063 `pkt.ip.ttl` cannot be assigned to in this
    pkt.ip.tos = 3  #~ E063 `pkt.ip.tos` cannot be assigned to in this
    return XDP_TX
