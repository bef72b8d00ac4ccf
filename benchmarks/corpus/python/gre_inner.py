"""What GRE carries (RFC 2784, 2890), by EtherType; a key is counted too."""

from bpfvm import XDP_PASS, Counter, be32, bpf, pkt, struct, u16, u32

GRE = 47


@struct
class Key:
    number: be32


inner = Counter(u16, max_entries=1024)
keys = Counter(u32, max_entries=1024)


@bpf.xdp
def gre_inner(ctx):
    if not pkt.is_ip or pkt.ip.proto != GRE:
        return XDP_PASS
    gre = pkt.ip.gre
    inner[gre.proto] += 1
    if gre.k:
        keys[gre.at(Key, 8 if gre.c else 4).number] += 1
    return XDP_PASS
