"""Sources that send more than 16 SYNs beyond their ACKs are dropped; the table forgets who was seen longest ago."""

from bpfvm import XDP_DROP, XDP_PASS, Hash, bpf, pkt, struct, u32

TCP = 6
SYN, ACK = 2, 16


@struct
class Score:
    syns: u32
    acks: u32


scores = Hash(u32, Score, 1024, lru=True)


@bpf.xdp
def syn_flood(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != TCP:
        return XDP_PASS
    syn = ip.tcp.flags & (SYN | ACK) == SYN
    ack = ip.tcp.flags & ACK != 0
    if ip.src not in scores:
        scores[ip.src] = Score(syns=syn, acks=ack)
        return XDP_PASS
    if syn:
        scores[ip.src].syns += 1
    if ack:
        scores[ip.src].acks += 1
    score = scores[ip.src]
    return XDP_DROP if score.syns > score.acks + 16 else XDP_PASS
