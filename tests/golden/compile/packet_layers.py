"""Headers that this version does not know."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, pkt


def program(ctx):
    if pkt.ip.tcp.dport == 443:  #~ E037 `pkt.ip` has no layer or field `tcp`
        return XDP_DROP
    if pkt.ip6.next == 6:  #~ E037 `pkt` has no layer or field `ip6`
        return XDP_DROP
    return XDP_PASS
