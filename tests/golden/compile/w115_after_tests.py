"""Stores that cut nothing: tests on the way have shown what is there. And those that may."""

from bpfvm.lang.maps import Array
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u8, u32


@struct
class Hop:
    left: u8
    seen: u8
    total: u32


last = Array(Hop, 1)


def program(ctx):  # hook: xdp
    ip = pkt.ip
    if ip.ttl > 0:
        ip.ttl -= 1
    ip.tos -= 1  #~ W115 may not fit u8
    hop = Hop(left=ip.ttl, seen=ip.tos)
    if hop.left:
        hop.left -= 1
    if hop.seen < 255:
        hop.left += 1  #~ W115 may not fit u8
        hop.seen += 1
    if hop.left and pkt.ip.ttl:
        pkt.ip.tos += 1  #~ W115 may not fit u8
        hop.left -= 1
    last[0] = hop
    return 2
