"""A load balancer: the flow's hash chooses a server, whose addresses are written into the packet."""

from benchmarks.corpus.python.checksum import adjusted_word
from bpfvm import XDP_PASS, XDP_TX, Array, be32, bpf, pkt, struct, u8, u16, u32, u64

TCP = 6


@struct
class Server:
    address: be32
    mac: u8[6]
    weight: u16


servers = Array(Server, 64)
sent = Array(u64, 64)


def mixed(h, word):
    h = u32((h ^ word) * 0x9E3779B1)
    return h ^ h >> 15


@bpf.xdp
def balancer(ctx):
    eth, ip = pkt.eth, pkt.ip
    if not pkt.is_ip or ip.ihl != 5 or ip.proto != TCP:
        return XDP_PASS
    tcp = ip.tcp
    total = tcp.csum
    slot = mixed(mixed(mixed(ip.proto, ip.src), ip.dst), tcp.sport << 16 | tcp.dport) % 64
    server = servers[slot]
    if not server.address:
        return XDP_PASS
    tcp.csum = adjusted_word(total, ip.dst, server.address)
    ip.csum = adjusted_word(ip.csum, ip.dst, server.address)
    ip.dst = server.address
    eth.src = eth.dst
    eth.dst = server.mac
    sent[slot] += 1
    return XDP_TX
