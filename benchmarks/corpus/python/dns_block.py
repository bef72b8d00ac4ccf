"""Drops queries for listed names of the DNS, by a hash of up to 64 bytes; questions are counted by type."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, bpf, pkt, u16, u32

UDP = 17

blocked = Counter(u32, 1024)
asked = Counter(u16, 256)


@bpf.xdp
def dns_block(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != UDP or ip.udp.dport != 53:
        return XDP_PASS
    dns = ip.udp.data
    questions = int.from_bytes(dns[4:6], "big")
    if dns[2] & 0x80 or questions != 1:
        return XDP_PASS
    h = 2166136261
    for at in range(12, 76):
        letter = dns[at]
        if letter == 0:
            break
        if 65 <= letter <= 90:
            letter += 32
        h = (h ^ letter) * 16777619 & 0xFFFFFFFF
    else:
        return XDP_PASS
    asked[int.from_bytes(dns[at + 1 : at + 3], "big")] += 1
    if h not in blocked:
        return XDP_PASS
    blocked[h] += 1
    return XDP_DROP
