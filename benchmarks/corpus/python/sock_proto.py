"""Packets of a socket by IPv4 protocol."""

from bpfvm import Array, bpf, pkt, u64

hits = Array(u64, 256)


@bpf.socket("lo")
def sock_proto(skb):
    hits[pkt.ip.proto] += 1
