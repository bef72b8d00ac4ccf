"""What GRE carries (RFC 2784, 2890), by EtherType; a key is counted too."""

from bpfvm import XDP_PASS, Counter, be16, be32, bpf, pkt, struct, u16, u32

GRE = 47
CHECKSUM, KEY = 0x8000, 0x2000


@struct
class Gre:
    flags: be16
    type: be16


@struct
class Key:
    number: be32


inner = Counter(u16, 1024)
keys = Counter(u32, 1024)


@bpf.xdp
def gre_inner(ctx):
    if not pkt.is_ip or pkt.ip.proto != GRE:
        return XDP_PASS
    at = 14 + pkt.ip.ihl * 4
    gre = pkt.at(Gre, at)
    inner[gre.type] += 1
    if gre.flags & KEY:
        key = pkt.at(Key, at + 8 if gre.flags & CHECKSUM else at + 4)
        keys[key.number] += 1
    return XDP_PASS
