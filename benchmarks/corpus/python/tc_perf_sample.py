"""TCP segments that open, close or reset a connection become records of a perf buffer."""

from bpfvm import TC_ACT_OK, PerfEvents, be16, be32, bpf, pkt, struct, u32

TCP = 6
FIN, SYN, RST = 1, 2, 4


@struct
class Change:
    src: be32
    dst: be32
    sport: be16
    dport: be16
    flags: u32
    length: u32


changes = PerfEvents(Change)


@bpf.tc
def tc_perf_sample(skb):
    if not pkt.is_ip or pkt.ip.proto != TCP:
        return TC_ACT_OK
    ip, tcp = pkt.ip, pkt.ip.tcp
    if tcp.flags & (SYN | FIN | RST):
        changes.submit(Change(src=ip.src, dst=ip.dst, sport=tcp.sport, dport=tcp.dport, flags=tcp.flags,
                              length=skb.len))  # fmt: skip
    return TC_ACT_OK
