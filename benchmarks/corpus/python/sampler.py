"""Every eighth IPv4 packet becomes a record of a ring buffer."""

from bpfvm import XDP_PASS, Array, Ring, be16, be32, bpf, pkt, struct, u8, u32, u64


@struct
class Sample:
    number: u64
    src: be32
    dst: be32
    length: u32
    proto: u8
    ttl: u8
    id: be16


seen = Array(u64, 1)
samples = Ring(Sample, 1 << 18)


@bpf.xdp
def sampler(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    ip = pkt.ip
    src, dst = ip.src, ip.dst
    number = bpf.fetch_add(seen, 0, 1)
    if number % 8 == 0:
        samples.submit(Sample(number=number, src=src, dst=dst, length=len(pkt), proto=ip.proto, ttl=ip.ttl, id=ip.id))
    return XDP_PASS
