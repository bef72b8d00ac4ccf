"""Headers that are read where tests have said that others are there, or on a way without the test of another one."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, pkt


def program(ctx):
    if pkt.ip.ttl == 0:
        return XDP_DROP
    if pkt.is_ip6 and pkt.ip6.hops == 0:
        return XDP_DROP
    if pkt.type == 0x0806:
        return pkt.ip.ttl  #~ W120 `pkt.ip` is used where `pkt.type` says that something else follows
    if pkt.ip.tos == 3:  #~ W120 `pkt.ip` is used where `pkt.type` has not been tested on this way
        return XDP_DROP
    if pkt.eth.type != 0x0800:
        return XDP_PASS
    ip = pkt.ip
    if ip.proto == 6 or ip.proto == 17:
        return ip.udp.dport
    match ip.proto:
        case 1:
            return ip.icmp.type
        case 132:
            return ip.tcp.dport  #~ W120 `ip.tcp` is used where `ip.proto` says that something else
    v = pkt.vlan  #~ W120 `pkt.vlan` is used where `pkt.type` says that something else
    while v.is_vlan:
        v = v.vlan
    return v.ip.ttl  #~ W120 `v.ip` is used where
