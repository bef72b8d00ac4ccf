"""A firewall that lets TCP and UDP pass where the five numbers of the flow are listed, and drops the rest of IPv4."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, be16, be32, bpf, pkt, struct, u32

TCP, UDP = 6, 17


@struct
class Flow:
    src: be32
    dst: be32
    sport: be16
    dport: be16
    proto: u32


allowed = Counter(Flow, max_entries=1024)


@bpf.xdp(on_fault=XDP_DROP)
def allow_list(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    ip = pkt.ip
    if ip.proto not in (TCP, UDP):
        return XDP_DROP
    flow = Flow(src=ip.src, dst=ip.dst, sport=ip.udp.sport, dport=ip.udp.dport, proto=ip.proto)
    if flow not in allowed:
        return XDP_DROP
    allowed[flow] += 1
    return XDP_PASS
