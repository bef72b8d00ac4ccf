"""Bytes by IPv4 protocol, a counter for each CPU."""

from bpfvm import XDP_PASS, Array, bpf, pkt, u64

volume = Array(u64, 256, percpu=True)


@bpf.xdp
def proto_bytes(ctx):
    if pkt.is_ip:
        volume[pkt.ip.proto] += len(pkt)
    return XDP_PASS
