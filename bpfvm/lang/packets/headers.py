"""Packet headers as tables: fields by name, and the headers that may stand behind each, with their distance.

A distance is a constant, or a constant and parts that bytes of the header tell: the IHL of IPv4 counts words of 4
bytes. What stands before a header does not say that it is there: `when` names the field that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.lang.types.scalars import be16, be32, u8
from bpfvm.lang.types.structs import Member

PACKET, PACKET_L3, DATA = "pkt", "pkt-l3", "data"

# Numbers of Ethernet's type field (IEEE 802 numbers, IANA) and of IP protocols (IANA).
IP, ARP, VLAN, IP6, MPLS, MPLS_MULTICAST, QINQ, QINQ_OLD = (
    0x0800, 0x0806, 0x8100, 0x86DD, 0x8847, 0x8848, 0x88A8, 0x9100,
)  # fmt: skip
BRIDGED = 0x6558  # an Ethernet frame in GRE (RFC 7637)
ICMP, IPIP, TCP, UDP, IN_IP, GRE, AH, ICMP6, SCTP = 1, 4, 6, 17, 41, 47, 51, 58, 132
HOP_OPTIONS, ROUTING, FRAGMENT, DESTINATION, MOBILITY = 0, 43, 44, 60, 135
VXLAN_PORT, DNS_PORT = 4789, 53


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a distance that a byte of the header tells: ((the byte at `offset`) >> shift & mask) * scale."""

    offset: int
    shift: int
    mask: int
    scale: int

    @property
    def most(self) -> int:
        return self.mask * self.scale

    def of(self, byte: int) -> int:
        """What it comes to."""
        return (byte >> self.shift & self.mask) * self.scale


@dataclass(frozen=True, slots=True)
class Layer:
    """A header behind another one. header: its name in HEADERS. distance, parts: bytes from the other one's start.

    when: the other's field, and the values of it that say that this one follows; "" where nothing says it.
    """

    header: str
    distance: int
    parts: tuple[Part, ...] = ()
    when: str = ""
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """One protocol's header. size: bytes of it that are always there."""

    name: str
    size: int
    members: tuple[Member, ...] = ()
    layers: Mapping[str, Layer] = field(default_factory=dict)

    def field(self, name: str) -> Member | None:
        """The field called `name`, or None."""
        return next((one for one in self.members if one.name == name), None)

    def test(self, name: str) -> Layer | None:
        """The layer of which `is_<layer>` asks whether it follows, or None where `name` is no such test."""
        layer = self.layers.get(name.removeprefix("is_")) if name.startswith("is_") else None
        return layer if layer is not None and layer.when else None

    @property
    def offered(self) -> list[str]:
        """Names of all that a view of the header has."""
        tests = [f"is_{name}" for name, one in self.layers.items() if one.when]
        return [*self.layers, *(one.name for one in self.members), *tests]

    @property
    def names(self) -> str:
        """What the header offers, for messages."""
        layers = f"layers {' '.join(self.layers)}" if self.layers else ""
        fields = f"fields {' '.join(one.name for one in self.members)}" if self.members else ""
        return "; ".join(part for part in (layers, fields) if part) or "bytes: v[0], v[0:4], v[4:], v.at(T)"


_MAC, _IP6 = u8[6], u8[16]


def _bits(name: str, offset: int, kind: type, shift: int, bits: int) -> Member:
    return Member(name, offset, kind, bits, shift)  # type: ignore[arg-type]


def _by_type(distance: int) -> dict[str, Layer]:
    """What stands behind an EtherType, which is the field `type`."""
    return {
        "ip": Layer("ip", distance, when="type", values=(IP,)),
        "ip6": Layer("ip6", distance, when="type", values=(IP6,)),
        "arp": Layer("arp", distance, when="type", values=(ARP,)),
        "vlan": Layer("vlan", distance, when="type", values=(VLAN, QINQ, QINQ_OLD)),
        "mpls": Layer("mpls", distance, when="type", values=(MPLS, MPLS_MULTICAST)),
        "data": Layer(DATA, distance),
    }


def _by_protocol(when: str, distance: int, parts: tuple[Part, ...] = ()) -> dict[str, Layer]:
    """What stands behind a number of an IP protocol."""
    rows = (("tcp", TCP), ("udp", UDP), ("sctp", SCTP), ("gre", GRE), ("ah", AH), ("ip", IPIP), ("ip6", IN_IP))
    return {name: Layer(name, distance, parts, when, (number,)) for name, number in rows} | {
        "data": Layer(DATA, distance, parts)
    }


def _options(distance: int, parts: tuple[Part, ...] = ()) -> dict[str, Layer]:
    """What stands behind IPv6 and its extension headers, which say it in `next`."""
    return {
        "icmp6": Layer("icmp6", distance, parts, "next", (ICMP6,)),
        "ext": Layer("ext", distance, parts, "next", (HOP_OPTIONS, ROUTING, DESTINATION, MOBILITY)),
        "frag": Layer("frag", distance, parts, "next", (FRAGMENT,)),
        **_by_protocol("next", distance, parts),
    }


# RFC 791 3.1: words of 4 bytes. RFC 9293 3.1: the same. RFC 8200 4: words of 8 behind the first. RFC 4302 2.2.
_IHL, _DATA_OFFSET = (Part(0, 0, 0x0F, 4),), (Part(12, 4, 0x0F, 4),)
_EXTENSION, _AH = (Part(1, 0, 0xFF, 8),), (Part(1, 0, 0xFF, 4),)
# RFC 2784, RFC 2890: 4 bytes each for checksum, key and sequence number, where their bits are set.
_GRE = tuple(Part(0, shift, 1, 4) for shift in (7, 5, 4))

_ETHERNET = Header("eth", 14, (Member("dst", 0, _MAC), Member("src", 6, _MAC), Member("type", 12, be16)), _by_type(14))

# IEEE 802.1Q: the tag, and the type of what follows. RFC 826, for Ethernet and IPv4. RFC 3032.
_LINK = (
    Header("vlan", 4, (
        Member("tci", 0, be16), _bits("pcp", 0, be16, 13, 3), _bits("dei", 0, be16, 12, 1),
        _bits("vid", 0, be16, 0, 12), Member("type", 2, be16),
    ), _by_type(4)),
    Header("arp", 28, (
        Member("htype", 0, be16), Member("ptype", 2, be16), Member("hlen", 4, u8), Member("plen", 5, u8),
        Member("op", 6, be16), Member("sha", 8, _MAC), Member("spa", 14, be32), Member("tha", 18, _MAC),
        Member("tpa", 24, be32),
    ), {"data": Layer(DATA, 28)}),
    Header("mpls", 4, (
        _bits("label", 0, be32, 12, 20), _bits("tc", 0, be32, 9, 3), _bits("bottom", 0, be32, 8, 1),
        Member("ttl", 3, u8),
    ), {"mpls": Layer("mpls", 4, when="bottom", values=(0,)), "ip": Layer("ip", 4), "ip6": Layer("ip6", 4),
        "data": Layer(DATA, 4)}),
)  # fmt: skip

# RFC 791, RFC 8200, RFC 4302.
_NETWORK = (
    Header("ip", 20, (
        _bits("ver", 0, u8, 4, 4), _bits("ihl", 0, u8, 0, 4), Member("tos", 1, u8), Member("len", 2, be16),
        Member("id", 4, be16), Member("frag", 6, be16), Member("ttl", 8, u8), Member("proto", 9, u8),
        Member("csum", 10, be16), Member("src", 12, be32), Member("dst", 16, be32), _bits("dscp", 1, u8, 2, 6),
        _bits("ecn", 1, u8, 0, 2), _bits("df", 6, be16, 14, 1), _bits("mf", 6, be16, 13, 1),
        _bits("offset", 6, be16, 0, 13),
    ), {"icmp": Layer("icmp", 0, _IHL, "proto", (ICMP,)), **_by_protocol("proto", 0, _IHL),
        "options": Layer(DATA, 20)}),
    Header("ip6", 40, (
        _bits("ver", 0, u8, 4, 4), _bits("tc", 0, be16, 4, 8), _bits("flow", 0, be32, 0, 20), Member("len", 4, be16),
        Member("next", 6, u8), Member("hops", 7, u8), Member("src", 8, _IP6), Member("dst", 24, _IP6),
    ), _options(40)),
    Header("ext", 8, (Member("next", 0, u8), Member("len", 1, u8)), _options(8, _EXTENSION)),
    Header("frag", 8, (
        Member("next", 0, u8), _bits("offset", 2, be16, 3, 13), _bits("mf", 2, be16, 0, 1), Member("id", 4, be32),
    ), _options(8)),
    Header("ah", 12, (
        Member("next", 0, u8), Member("len", 1, u8), Member("spi", 4, be32), Member("seq", 8, be32),
    ), _options(8, _AH)),
)  # fmt: skip

# RFC 9293 (`ack` is the flag, `ack_seq` the number), RFC 768, RFC 792, RFC 4443, RFC 9260, RFC 2784.
_TRANSPORT = (
    Header("tcp", 20, (
        Member("sport", 0, be16), Member("dport", 2, be16), Member("seq", 4, be32), Member("ack_seq", 8, be32),
        _bits("doff", 12, u8, 4, 4), Member("flags", 13, u8), Member("window", 14, be16), Member("csum", 16, be16),
        Member("urg_ptr", 18, be16),
        *(_bits(name, 13, u8, shift, 1)
          for shift, name in enumerate(("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"))),
    ), {"options": Layer(DATA, 20), "data": Layer(DATA, 0, _DATA_OFFSET)}),
    Header("udp", 8, (
        Member("sport", 0, be16), Member("dport", 2, be16), Member("length", 4, be16), Member("csum", 6, be16),
    ), {"dns": Layer("dns", 8, when="dport", values=(DNS_PORT,)),
        "vxlan": Layer("vxlan", 8, when="dport", values=(VXLAN_PORT,)), "data": Layer(DATA, 8)}),
    Header("icmp", 8, (
        Member("type", 0, u8), Member("code", 1, u8), Member("csum", 2, be16), Member("id", 4, be16),
        Member("seq", 6, be16), Member("gateway", 4, be32), Member("mtu", 6, be16),
    ), {"ip": Layer("ip", 8, when="type", values=(3, 5, 11, 12)), "data": Layer(DATA, 8)}),
    Header("icmp6", 8, (
        Member("type", 0, u8), Member("code", 1, u8), Member("csum", 2, be16), Member("id", 4, be16),
        Member("seq", 6, be16), Member("mtu", 4, be32),
    ), {"ip6": Layer("ip6", 8, when="type", values=(1, 2, 3, 4)), "data": Layer(DATA, 8)}),
    Header("sctp", 12, (
        Member("sport", 0, be16), Member("dport", 2, be16), Member("vtag", 4, be32), Member("csum", 8, be32),
    ), {"data": Layer(DATA, 12)}),
    Header("gre", 4, (
        Member("flags", 0, be16), _bits("c", 0, u8, 7, 1), _bits("k", 0, u8, 5, 1), _bits("s", 0, u8, 4, 1),
        _bits("ver", 1, u8, 0, 3), Member("proto", 2, be16),
    ), {"ip": Layer("ip", 4, _GRE, "proto", (IP,)), "ip6": Layer("ip6", 4, _GRE, "proto", (IP6,)),
        "eth": Layer("eth", 4, _GRE, "proto", (BRIDGED,)), "data": Layer(DATA, 4, _GRE)}),
)  # fmt: skip

# RFC 7348, RFC 1035 4.1.1.
_ABOVE = (
    Header("vxlan", 8, (Member("flags", 0, u8), _bits("vni", 4, be32, 8, 24)), {
        "eth": Layer("eth", 8), "data": Layer(DATA, 8),
    }),
    Header("dns", 12, (
        Member("id", 0, be16), Member("flags", 2, be16), _bits("qr", 2, u8, 7, 1), _bits("opcode", 2, u8, 3, 4),
        _bits("aa", 2, u8, 2, 1), _bits("tc", 2, u8, 1, 1), _bits("rd", 2, u8, 0, 1), _bits("ra", 3, u8, 7, 1),
        _bits("rcode", 3, u8, 0, 4), Member("qdcount", 4, be16), Member("ancount", 6, be16),
        Member("nscount", 8, be16), Member("arcount", 10, be16),
    ), {"data": Layer(DATA, 12)}),
    Header(DATA, 0),
)  # fmt: skip

# `pkt` itself: what a hook sees begins with Ethernet, or with IP, whose version says which.
_WHOLE = (
    Header(PACKET, 0, (Member("type", 12, be16),), {"eth": Layer("eth", 0), **_by_type(14), "data": Layer(DATA, 0)}),
    Header(PACKET_L3, 0, (_bits("ver", 0, u8, 4, 4),), {
        "ip": Layer("ip", 0, when="ver", values=(4,)), "ip6": Layer("ip6", 0, when="ver", values=(6,)),
        "data": Layer(DATA, 0),
    }),
)  # fmt: skip

HEADERS: Mapping[str, Header] = {row.name: row for row in (*_WHOLE, _ETHERNET, *_LINK, *_NETWORK, *_TRANSPORT, *_ABOVE)}
ROOTS: Mapping[str, str] = {"eth": PACKET, "ip": PACKET_L3}  # by ProgramType.layer
NAMED: Mapping[str, Header] = {name: row for name, row in HEADERS.items() if name not in ROOTS.values()}
META = Header("meta", 0)  # bytes that stand before the packet: `pkt.meta`
FARTHEST = 0xFFFF  # bytes of a packet that programs see: the verifier takes no offset beyond (MAX_PACKET_OFF)
