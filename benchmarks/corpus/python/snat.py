"""Source NAT: listed inner addresses get their outer one, with the checksums of IPv4, TCP and UDP."""

from benchmarks.corpus.python.checksum import adjusted_word
from bpfvm import XDP_PASS, Hash, bpf, pkt, u32

TCP, UDP = 6, 17

outside = Hash(u32, u32, 256)


@bpf.xdp
def snat(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    ip = pkt.ip
    old, new = ip.src, outside.get(ip.src)
    if new is None:
        return XDP_PASS
    if ip.proto == TCP:
        ip.tcp.csum = adjusted_word(ip.tcp.csum, old, new)
    elif ip.proto == UDP and ip.udp.csum:
        ip.udp.csum = adjusted_word(ip.udp.csum, old, new) or 0xFFFF
    ip.csum = adjusted_word(ip.csum, old, new)
    ip.src = new
    return XDP_PASS
