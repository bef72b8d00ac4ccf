"""A layer, a field that stands behind another layer: where it is."""

from bpfvm.lang.packets.packet import pkt


def program(ctx):  # hook: xdp
    if pkt.tcp.dport == 443:  #~ E037 no layer or field `tcp`
        return pkt.ttl  #~ E037 no layer or field `ttl`
    return pkt.ip.dport  #~ E037 no layer or field `dport`
