"""Marks congestion (RFC 3168) on packets that say they understand it, and drops those of a full queue that do not.

Which queues are full is in a table.
"""

from benchmarks.corpus.python.checksum import adjusted
from bpfvm import XDP_DROP, XDP_PASS, Array, bpf, pkt, u32

CONGESTED = 3

full = Array(u32, 4)


@bpf.xdp
def ecn_mark(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    ip = pkt.ip
    old, total = ip.tos, ip.csum
    if not full[old >> 6]:
        return XDP_PASS
    if old & 3 == 0:
        return XDP_DROP
    if old & 3 == CONGESTED:
        return XDP_PASS
    ip.tos = old | CONGESTED
    ip.csum = adjusted(total, 0x4500 | old, 0x4500 | ip.tos)
    return XDP_PASS
