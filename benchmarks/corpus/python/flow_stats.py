"""Packets, bytes and the largest packet of each TCP or UDP flow."""

from bpfvm import XDP_PASS, Hash, be16, be32, bpf, pkt, struct, u32, u64

TCP, UDP = 6, 17


@struct
class Flow:
    src: be32
    dst: be32
    sport: be16
    dport: be16
    proto: u32


@struct
class Stats:
    packets: u64
    bytes: u64
    longest: u32
    flags: u32


flows = Hash(Flow, Stats, 4096)


@bpf.xdp
def flow_stats(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto not in (TCP, UDP):
        return XDP_PASS
    flow = Flow(src=ip.src, dst=ip.dst, sport=ip.tcp.sport, dport=ip.tcp.dport, proto=ip.proto)
    flags = ip.tcp.flags if ip.proto == TCP else 0
    size = len(pkt)
    stats = flows.get(flow)
    if stats is None:
        flows[flow] = Stats(packets=1, bytes=size, longest=size, flags=flags)
        return XDP_PASS
    stats.packets += 1
    stats.bytes += size
    stats.flags |= flags
    stats.longest = max(stats.longest, size)
    return XDP_PASS
