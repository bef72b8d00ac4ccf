"""Bytes of the packet that have no constant number, no end, or no place."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, pkt


def program(ctx):
    data = pkt.ip.udp.data
    if pkt[-1] == 8:  #~ E022 is before the first byte of the packet
        return XDP_DROP
    size = data[0]
    if data[1:size] == b"x":  #~ E022 the slice `data[1:size]` has no constant length
        return XDP_DROP
    if data[4:4] == b"":  #~ E022 the slice `data[4:4]` has no bytes
        return XDP_DROP
    if data[0:8:2] == b"abcd":  #~ E022 the slice `data[0:8:2]` has a step
        return XDP_DROP
    if data["a"] == 1:  #~ E022 bytes of the packet have numbers
        return XDP_DROP
    data[4:] = b"abcd"  #~ E022 has no end, and nothing is stored there
    data[0:2] = b"abc"  #~ E020 the slice `data[0:2]` must be `u8[2]`
    data[0:4][0] = 1  #~ E031 lies in memory that can only be read
    return XDP_PASS
