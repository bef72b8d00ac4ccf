"""ARP by operation, and who claims which address: an answer that contradicts an earlier one is dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Array, Hash, bpf, pkt, struct, u8, u32, u64

ETH_ARP, REPLY = 0x0806, 2


@struct
class Claim:
    mac: u8[6]


operations = Array(u64, 16)
claims = Hash(u32, Claim, 1024)


@bpf.xdp
def arp_watch(ctx):
    if pkt.eth.type != ETH_ARP:
        return XDP_PASS
    arp = pkt.arp
    operations[arp.op] += 1
    if arp.op != REPLY:
        return XDP_PASS
    claim = claims.get(arp.spa)
    if claim is None:
        claims[arp.spa] = Claim(mac=arp.sha)
    elif claim.mac != arp.sha:
        return XDP_DROP
    return XDP_PASS
