"""Destination NAT: a service's address and port become those of the machine behind it."""

from benchmarks.corpus.python.checksum import adjusted, adjusted_word
from bpfvm import XDP_PASS, Array, Hash, be16, be32, bpf, pkt, struct, u16, u64

TCP, UDP = 6, 17


@struct
class Endpoint:
    address: be32
    port: be16
    proto: u16


services = Hash(Endpoint, Endpoint, 256)
translated = Array(u64, 1, percpu=True)


@bpf.xdp
def dnat(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto not in (TCP, UDP):
        return XDP_PASS
    udp = ip.udp
    to = services.get(Endpoint(address=ip.dst, port=udp.dport, proto=ip.proto))
    if to is None:
        return XDP_PASS
    if ip.proto == TCP:
        ip.tcp.csum = adjusted(adjusted_word(ip.tcp.csum, ip.dst, to.address), udp.dport, to.port)
    elif udp.csum:
        udp.csum = adjusted(adjusted_word(udp.csum, ip.dst, to.address), udp.dport, to.port)
    ip.csum = adjusted_word(ip.csum, ip.dst, to.address)
    ip.dst = to.address
    udp.dport = to.port
    translated[0] += 1
    return XDP_PASS
