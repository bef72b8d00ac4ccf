"""A tail call by protocol: each has a program of its own that counts its ports or types."""

from bpfvm import XDP_DROP, XDP_PASS, Array, Counter, ProgArray, bpf, pkt, u32, u64

ICMP, TCP, UDP = 1, 6, 17
REDIRECT, CHARGEN = 5, 19

stages = ProgArray(32)
ports = Counter(u32, max_entries=4096)
missed = Array(u64, 256)


@bpf.xdp
def dispatcher(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    proto = pkt.ip.proto
    stages.call(ctx, proto)
    missed[proto] += 1
    return XDP_PASS


@bpf.xdp
def tcp_stage(ctx):
    ports[TCP << 16 | pkt.ip.tcp.dport] += 1
    return XDP_PASS


@bpf.xdp
def udp_stage(ctx):
    port = pkt.ip.udp.dport
    ports[UDP << 16 | port] += 1
    return XDP_DROP if port == CHARGEN else XDP_PASS


@bpf.xdp
def icmp_stage(ctx):
    kind = pkt.ip.icmp.type
    ports[ICMP << 16 | kind] += 1
    return XDP_DROP if kind == REDIRECT else XDP_PASS
