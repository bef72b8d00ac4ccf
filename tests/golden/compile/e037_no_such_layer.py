"""A header, a field, an attribute that is not there."""

import socket

from bpfvm.lang.packets.packet import pkt


def program(ctx):  # hook: xdp
    if pkt.ip.tcpp.dport == 443:  #~ E037 `pkt.ip` has no layer or field `tcpp`
        return 1
    if pkt.ip.prot == socket.IPPROTO_UPD:  #~ E037 no layer or field `prot` #~ E037 no attribute `IPPROTO_UPD`
        return ctx.ingres_ifindex  #~ E037 no field `ingres_ifindex`
    return ctx.data  #~ E037 is an address
