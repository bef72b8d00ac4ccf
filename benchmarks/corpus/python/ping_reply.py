"""Answers echo requests (RFC 792) without the host."""

from benchmarks.corpus.python.checksum import adjusted
from bpfvm import XDP_PASS, XDP_TX, Counter, bpf, pkt, u32

ICMP, ECHO = 1, 8

answered = Counter(u32, max_entries=1024)


@bpf.xdp
def ping_reply(ctx):
    eth, ip = pkt.eth, pkt.ip
    if not pkt.is_ip or ip.ihl != 5 or ip.proto != ICMP:
        return XDP_PASS
    icmp = ip.icmp
    total = icmp.csum
    if icmp.type != ECHO or icmp.code:
        return XDP_PASS
    here = eth.dst.copy()
    eth.dst = eth.src
    eth.src = here
    ip.src, ip.dst = ip.dst, ip.src
    icmp.type = 0
    icmp.csum = adjusted(total, ECHO << 8, 0)
    answered[ip.dst] += 1
    return XDP_TX
