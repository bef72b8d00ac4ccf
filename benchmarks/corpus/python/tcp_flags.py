"""Drops TCP segments whose flags no stack sends, and counts why: 1 none, 2 SYN with FIN, 3 all lit, 4 FIN alone."""

from bpfvm import XDP_DROP, XDP_PASS, Array, bpf, pkt, u64

TCP = 6
FIN, SYN, PSH, URG = 1, 2, 8, 32

reasons = Array(u64, 8)


@bpf.xdp
def tcp_flags(ctx):
    if not pkt.is_ip or pkt.ip.proto != TCP:
        return XDP_PASS
    flags = pkt.ip.tcp.flags & 0x3F
    reason = 0
    if not flags:
        reason = 1
    elif flags & (SYN | FIN) == SYN | FIN:
        reason = 2
    elif flags & (FIN | PSH | URG) == FIN | PSH | URG:
        reason = 3
    elif flags == FIN:
        reason = 4
    reasons[reason] += 1
    return XDP_DROP if reason else XDP_PASS
