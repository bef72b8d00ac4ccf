"""Headers and tests that a header does not lead to."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, pkt, u8


def program(ctx):
    if pkt.tcp.dport == 443:  #~ E037 `pkt` has no layer or field `tcp`
        return XDP_DROP
    if pkt.ip6.nxt == 6:  #~ E037 `pkt.ip6` has no layer or field `nxt`
        return XDP_DROP
    if pkt.ip.is_arp:  #~ E037 `pkt.ip` has no layer or field `is_arp`
        return XDP_DROP
    if pkt.at(u8, 3):  #~ E013 `pkt.at` takes a struct, an array type or the name of a header
        return XDP_DROP
    if pkt.at("tpc", 34).dport:  #~ E013 `pkt.at` takes a struct, an array type or the name of a header
        return XDP_DROP
    return XDP_PASS
