"""Branches that leave different kinds of value."""

from bpfvm.lang.packets.packet import pkt


def program(ctx):  # hook: xdp
    if ctx.ingress_ifindex == 1:
        place = pkt.ip
    else:
        place = 3
    a = pkt if len(pkt) > 60 else 5  #~ E047 is the packet on one path and int on another
    return place + a  #~ E047 `place` is a packet view of `ip` on one path
