"""Functions between a test and its store: what they leave as it is stays tested, what they store does not."""

from bpfvm.lang.packets.csum import csum_replace
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u8, u32


@struct
class Hop:
    left: u8
    seen: u8
    total: u32


def bigger(a, b):
    return a if a > b else b


def counted(hop):
    hop.total += 1


def filled(hop):
    hop.left = pkt.ip.tos
    return 1


def lowered(ip):
    if ip.ttl > 9:
        ip.ttl -= 9


def program(ctx):  # hook: xdp
    ip = pkt.ip
    hop = Hop(left=ip.ttl, seen=ip.tos)
    if ip.ttl > 1:
        ip.csum = csum_replace(ip.csum, ip.ttl << 8 | ip.proto, ip.ttl - 1 << 8 | ip.proto)
        ip.ttl -= 1
    if ip.ttl > 1:
        lowered(ip)
        ip.ttl -= 1  #~ W115 may not fit u8
    if hop.left > 2:
        hop.seen = bigger(hop.seen, hop.left)
        counted(hop)
        hop.left -= 2
    if hop.left and filled(hop):
        hop.left -= 1  #~ W115 may not fit u8
    return 2
