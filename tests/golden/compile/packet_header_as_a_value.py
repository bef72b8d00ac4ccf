"""A header where a number is wanted."""

# hook: xdp
from bpfvm import XDP_DROP, pkt


def program(ctx):
    header = pkt.ip
    if header == 3:  #~ E022 `==` compares numbers, and `header` is a packet
        return XDP_DROP
    return header + 1  #~ E022 `+` takes numbers, and `header` is a packet
