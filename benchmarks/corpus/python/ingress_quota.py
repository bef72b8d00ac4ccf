"""What a control group may receive: 20000 bytes of each source, of IPv4 and IPv6."""

from bpfvm import Hash, bpf, pkt, struct, u8, u64

QUOTA = 20_000


@struct
class Source:
    address: u8[16]


received = Hash(Source, u64, 4096, lru=True, default=0)


@bpf.cgroup_skb("ingress")
def ingress_quota(skb):
    source = Source()
    if pkt.is_ip:
        source.address = pkt.ip.src.to_bytes(4, "big")
    elif pkt.is_ip6:
        source.address = pkt.ip6.src
    else:
        return 1
    if received[source] > QUOTA:
        return 0
    received[source] += skb.len
    return 1
