"""Packets and bytes of each network of VXLAN (RFC 7348); a header without the I flag is dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Hash, bpf, pkt, struct, u32, u64

UDP = 17


@struct
class Usage:
    packets: u64
    bytes: u64


networks = Hash(u32, Usage, 1024)


@bpf.xdp
def vxlan_count(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != UDP or ip.udp.dport != 4789:
        return XDP_PASS
    vxlan = ip.udp.data
    number = int.from_bytes(vxlan[4:8], "big") >> 8
    if not vxlan[0] & 8:
        return XDP_DROP
    networks.setdefault(number, Usage())
    networks[number].packets += 1
    networks[number].bytes += len(pkt)
    return XDP_PASS
