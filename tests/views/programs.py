"""Functions on packets, for every hook that sees frames from Ethernet on."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, be16, be32, bpf, csum_replace, csum_replace32, ip_csum, pkt, struct, u8, u32, u64
from bpfvm.lang.hooks import hook
from bpfvm.program import Program

qtypes = Array(u64, 256)
seen = Array(u32, 16)


@struct
class Pair:
    a: be16
    b: u8
    c: u8
    d: be32


@struct
class Addresses:
    all: u8[12]


def dns(ctx: Any) -> int:
    ip = pkt.ip
    if ip.proto != 17 or ip.udp.length < 12:
        return 1
    q = ip.udp.data[12:]
    for _ in range(8):
        n = q[0]
        if n == 0:
            qtypes[q[2]] += 1
            return 2
        q = q[n + 1 :]
    return 3


def dns_while(ctx: Any) -> int:
    """Labels without a bound in the text: the packet's end is one."""
    q = pkt.ip.udp.data[12:]
    labels = 0
    while q[0]:
        q = q[q[0] + 1 :]
        labels += 1
    return labels


def http(ctx: Any) -> int:
    method = pkt.ip.tcp.data[0:4]
    if method in (b"HTTP", b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE"):
        seen[method[0] & 15] += 1
        return 100 + int.from_bytes(method, "big") % 97
    return method[3]


def starts(ctx: Any) -> int:
    body = pkt.ip.tcp.data
    if body[0:3].startswith(b"GET") or body[0:6] == b"HEAD /":
        return 1
    return 2 if body[1:4] != b"OST" else int.from_bytes(body[0:7], "little") % 1009


def ipv4(ctx: Any) -> int:
    ip = pkt.ip
    flags = ip.ver + ip.ihl * 3 + ip.dscp * 5 + ip.ecn * 7 + ip.df * 11 + ip.mf * 13 + ip.offset
    return (flags + ip.tos + ip.len + ip.id + ip.frag + ip.ttl + ip.proto + ip.csum + ip.src + ip.dst) & 0xFFFFFFFF


def ipv6(ctx: Any) -> int:
    ip = pkt.ip6
    hash = ip.ver + ip.tc * 3 + ip.flow * 5 + ip.len + ip.next * 7 + ip.hops
    for i in range(16):
        hash = (hash * 31 + ip.src[i] + ip.dst[15 - i]) & 0xFFFFFF
    return hash


def transports(ctx: Any) -> int:
    ip = pkt.ip
    if ip.is_tcp:
        t = ip.tcp
        bits = t.fin + t.syn * 2 + t.rst * 3 + t.psh * 4 + t.ack * 5 + t.urg * 6 + t.ece * 7 + t.cwr * 8 + t.flags
        return (bits + t.sport + t.dport + t.seq + t.ack_seq + t.doff + t.window + t.csum + t.urg_ptr) & 0xFFFFFFFF
    if ip.is_udp:
        return ip.udp.sport + ip.udp.dport * 3 + ip.udp.length + ip.udp.csum
    if ip.is_icmp:
        return ip.icmp.type + ip.icmp.code + ip.icmp.ip.udp.dport if ip.icmp.is_ip else ip.icmp.id
    if ip.is_sctp:
        return ip.sctp.vtag + ip.sctp.data[1]
    return len(ip.data)


def kinds(ctx: Any) -> int:
    match pkt.type:
        case 0x0800:
            return pkt.ip.ttl
        case 0x86DD:
            return pkt.ip6.hops
        case 0x0806:
            return pkt.arp.op + pkt.arp.sha[5] + pkt.arp.tpa % 251
        case 0x8100 | 0x88A8:
            return pkt.vlan.vid + pkt.vlan.pcp * 3 + pkt.vlan.dei
    return pkt.mpls.label + pkt.mpls.mpls.ttl if pkt.is_mpls else 0


def vlans(ctx: Any) -> int:
    v = pkt.vlan
    depth = 1
    while v.is_vlan and depth < 8:
        v = v.vlan
        depth += 1
    return depth * 1000 + v.vid + (v.ip.proto if v.is_ip else v.ip6.next)


def extensions(ctx: Any) -> int:
    ip = pkt.ip6
    if ip.next == 44:
        return ip.frag.id + ip.frag.offset + ip.frag.mf + ip.frag.icmp6.type
    if not ip.is_ext:
        return ip.udp.dport
    e = ip.ext
    for _ in range(4):
        if not e.is_ext:
            break
        e = e.ext
    return e.tcp.dport + e.len


def tunnels(ctx: Any) -> int:
    ip = pkt.ip
    if ip.is_gre:
        return ip.gre.eth.ip.tcp.dport if ip.gre.is_eth else ip.gre.ip.udp.dport + ip.gre.k
    vxlan = ip.udp.vxlan
    return (vxlan.vni + vxlan.eth.ip.udp.length) if ip.udp.is_vxlan else ip.udp.dns.qdcount + ip.udp.dns.rd


def joined(ctx: Any) -> int:
    ip = pkt.vlan.ip if pkt.type == 0x8100 else pkt.ip
    if ip.proto == 6:
        rest = ip.tcp.data
    else:
        rest = ip.udp.data
    return rest[0] + rest[3] * 256 + len(rest)


def indexes(ctx: Any) -> int:
    at = pkt[14] & 0x1F
    total = 0
    for i in range(20):
        total += pkt[at + i]
    far = pkt.ip.src
    if far & 3:
        return pkt[at * 8 - 40]
    return total + pkt.eth.dst[at % 6] + pkt[30:34][at & 3]


def anywhere(ctx: Any) -> int:
    """An index of 32 bits."""
    if pkt.ip.tos == 0xB9:
        return pkt[pkt.ip.src & 0x3F]
    return pkt.ip.data[pkt.ip.dst]


def structs(ctx: Any) -> int:
    first, second = pkt.at(Pair, 14), pkt.ip.data.at(Pair, pkt[14] & 7)
    words = pkt.at(u32[3], 20)
    return (first.a + first.b + first.d + second.c + second.d % 5 + words[2] % 7 + pkt.at("udp", 34).dport) & 0xFFFFFF


def summed(ctx: Any) -> int:
    """Bytes up to the packet's end, which ends it by a fault, or up to 60."""
    q = pkt.data
    total = 0
    for _ in range(60):
        total += q[0]
        q = q[1:]
    return total


def helper(view: Any, at: int) -> int:
    return view[at] + view[at + 1]


def passed(ctx: Any) -> int:
    return helper(pkt.ip.data, 2) + helper(pkt, pkt.ip.ihl) + helper(pkt.eth, 3)


def lengths(ctx: Any) -> int:
    return len(pkt) * 3 + len(pkt.ip.data) + len(pkt.ip6.data) * 5 + len(pkt[70:])


def far(ctx: Any) -> int:
    return pkt[3600] + pkt.at(u32[2], 3515)[1] % 7 + len(pkt)


def farthest(ctx: Any) -> int:
    """Places up to the last that programs see, and past it: what an index of 32 bits names."""
    at = pkt.ip.src
    if pkt.ip.tos & 1:
        return pkt[at]
    if pkt.ip.tos & 2:
        return pkt.ip.data[65500:][at & 63]
    q = pkt[at:]
    return q[0] + len(q)


FAR = tuple(bpf.xdp(one) for one in (far, farthest)) + tuple(bpf.socket(one) for one in (far, farthest))

READERS = (dns, dns_while, http, starts, ipv4, ipv6, transports, kinds, vlans, extensions, tunnels, joined, indexes,
           anywhere, structs, summed, passed, lengths)  # fmt: skip


def fields_written(ctx: Any) -> int:
    pkt.ip.ttl = u8(pkt.ip.ttl - 1)
    pkt.ip.df = 0
    pkt.ip.offset = pkt.ip.len & 0x1FFF
    pkt.ip.dst = pkt.ip.src
    pkt.ip.tcp.window = 77
    pkt.ip.tcp.syn ^= 1
    pkt.ip.tcp.seq += 1
    return pkt.ip.frag


def swapped(ctx: Any) -> int:
    first = pkt.eth.dst.copy()
    pkt.eth.dst = pkt.eth.src
    pkt.eth.src = first
    pkt.eth.type = 0x88CC
    return pkt.eth.dst[0] + pkt.eth.src[5]


def bytes_written(ctx: Any) -> int:
    body = pkt.ip.data
    body[2] = 9
    body[4:8] = b"abcd"
    body[pkt[14] & 7] ^= 0xFF
    body[8:12] = body[4:8]
    pair = pkt.at(Pair, 14)
    pair.d = 0x01020304
    pair.b += 1
    return body[5] + pair.a


def pushed(ctx: Any) -> int:
    """A tag put in front of the type, as VLANs are."""
    if pkt.adjust_head(-4):
        return 1
    pkt[0:12] = pkt[4:16]
    pkt.type = 0x8100
    pkt.vlan.tci = 0x0123
    return pkt.vlan.type


def popped(ctx: Any) -> int:
    depth = 0
    while pkt.is_vlan and depth < 3:
        addresses = pkt.at(Addresses)
        saved = addresses.copy()
        if pkt.adjust_head(4):
            return 0
        pkt[0:12] = saved.all
        depth += 1
    return depth * 100 + pkt.ip.ttl


@bpf.func
def shortened(by: u32) -> u32:
    return 1 if pkt.adjust_tail(-by) else len(pkt)


def by_a_subprogram(ctx: Any) -> int:
    first = pkt[0:2]
    before = first[1] + pkt[13]
    return before * 1000 + shortened(3) + pkt[12]


def cut_short(ctx: Any) -> int:
    total = 0
    for i in range(4):
        if pkt.adjust_tail(-3):
            break
        total += pkt[14 + i]
    return total + len(pkt) if total > 40 else -pkt.adjust_tail(-100)


def forwarded(ctx: Any) -> int:
    """A hop: TTL and checksum, and one address changed for another."""
    ip = pkt.ip
    if ip.ttl <= 1:
        return 1
    csum = csum_replace(ip.csum, ip.ttl * 256 + ip.proto, (ip.ttl - 1) * 256 + ip.proto)
    ip.ttl = u8(ip.ttl - 1)
    new = 0xC0A80001
    ip.csum = csum_replace32(csum, ip.dst, new)
    ip.dst = new
    return ip.csum


def summed_up(ctx: Any) -> int:
    pkt.ip.csum = ip_csum(pkt.ip)
    return pkt.ip.csum


MOVERS = (forwarded, summed_up, by_a_subprogram, pushed, popped, cut_short)


def tagged(ctx: Any) -> int:
    before = len(pkt)
    if pkt.vlan_push(0x8100, 5):
        return 1
    return len(pkt) - before + pkt.vlan_pop() + pkt.type


def pulled(ctx: Any) -> int:
    if pkt.pull_data(34):
        return 1
    ttl = pkt.ip.ttl
    if pkt.change_tail(60):
        return 2
    return ttl + pkt[59] + len(pkt)


def summed_anew(ctx: Any) -> int:
    """The TTL lowered, and the checksum corrected by the helper."""
    old = pkt.ip.ttl * 256 + pkt.ip.proto
    if pkt.ip.ttl <= 1:
        return 2
    pkt.ip.ttl = u8(pkt.ip.ttl - 1)
    now = pkt.ip.ttl * 256 + pkt.ip.proto
    if pkt.l3_csum_replace(24, old, now, 2):
        return 3
    return pkt.ip.csum


SKB_MOVERS = (tagged, pulled, summed_anew)

WRITERS = (fields_written, swapped, bytes_written)

answers = Array(u64, 1)


def noted(function: Any) -> Any:
    """The function as one whose result the kernel takes of any program."""

    def program(ctx: Any) -> int:
        answers[0] = function(ctx)
        return 1

    program.__name__ = function.__name__
    return program


XDP = tuple(bpf.xdp(one) for one in (*READERS, *WRITERS, *MOVERS))
TC = tuple(bpf.tc(one) for one in (*READERS, *WRITERS, *SKB_MOVERS))
SOCKET = tuple(bpf.socket(one) for one in READERS)
# what does not name Ethernet
_INNER = (dns, dns_while, http, starts, ipv4, ipv6, transports, extensions, tunnels, anywhere, structs, summed, lengths)
CGROUP = tuple(bpf.cgroup_skb(noted(one)) for one in _INNER)
LWT = tuple(Program.of_function(noted(one), hook(kind)) for kind in ("lwt_in", "lwt_xmit") for one in _INNER)
