"""A view of the packet compared as if it were bytes."""

from bpfvm import pkt

# hook: xdp


def program(ctx):
    data = pkt.ip.udp.data
    if data == b"hello":  #~ E022 `==` compares numbers, and `data` is a packet view of `data`
        return 1
    if data[0:5] == b"hello":
        return 1
    return 2
