"""Drops queries for listed names of the DNS, by a hash of up to 64 bytes; questions are counted by type."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, bpf, pkt, u16, u32

UDP = 17

blocked = Counter(u32, max_entries=1024)
asked = Counter(u16, max_entries=256)


@bpf.xdp
def dns_block(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != UDP or ip.udp.dport != 53:
        return XDP_PASS
    dns = ip.udp.dns
    if dns.qr or dns.qdcount != 1:
        return XDP_PASS
    name = dns.data
    h = 2166136261
    for i in range(64):
        letter = name[i]
        if letter == 0:
            break
        if 65 <= letter <= 90:
            letter += 32
        h = (h ^ letter) * 16777619 & 0xFFFFFFFF
    else:
        return XDP_PASS
    asked[int.from_bytes(name[i + 1 : i + 3], "big")] += 1
    if h not in blocked:
        return XDP_PASS
    blocked[h] += 1
    return XDP_DROP
