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
    if not pkt.is_ip or pkt.ip.proto != UDP or pkt.ip.udp.dport != 4789:
        return XDP_PASS
    vxlan = pkt.ip.udp.vxlan
    vni = vxlan.vni
    if not vxlan.flags & 8:
        return XDP_DROP
    networks.setdefault(vni, Usage())
    networks[vni].packets += 1
    networks[vni].bytes += len(pkt)
    return XDP_PASS
