"""Bytes of each pair of addresses and protocol, a counter for each CPU."""

from bpfvm import TC_ACT_OK, Counter, be32, bpf, pkt, struct, u32


@struct
class Pair:
    src: be32
    dst: be32
    proto: u32


volume = Counter(Pair, max_entries=4096, percpu=True)


@bpf.tc
def tc_flow_bytes(skb):
    if pkt.is_ip:
        ip = pkt.ip
        volume[Pair(src=ip.src, dst=ip.dst, proto=ip.proto)] += skb.len
    return TC_ACT_OK
