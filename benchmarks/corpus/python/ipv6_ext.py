"""What IPv6 carries behind its extension headers, of which up to 6 are passed."""

from bpfvm import XDP_PASS, Array, bpf, pkt, struct, u8, u64

ETH_IP6 = 0x86DD
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60


@struct
class Extension:
    next: u8
    size: u8


carried = Array(u64, 256)


@bpf.xdp
def ipv6_ext(ctx):
    if pkt.eth.type != ETH_IP6:
        return XDP_PASS
    kind = pkt.ip6.next
    at = 54
    for _ in range(6):
        if kind not in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION):
            break
        extension = pkt.at(Extension, at)
        if kind == FRAGMENT:
            at += 8
        elif kind == AUTHENTICATION:
            at += (extension.size + 2) * 4
        else:
            at += (extension.size + 1) * 8
        kind = extension.next
    carried[kind] += 1
    return XDP_PASS
