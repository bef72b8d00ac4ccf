"""Frames for tests, made of bytes: `ethernet(ipv4(udp(b"…", dport=53)))`. Lengths and checksums are right.

Each function takes what stands behind its header. The numbers of the layer above are recognised by its class: `ipv4`
knows that a `udp(...)` is protocol 17. Addresses are numbers or text: "10.0.0.1", "2001:db8::1", "02:00:00:00:00:01".

Sources: RFC 894, RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, IEEE 802.1Q.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

MAC, TO_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESS, TO_ADDRESS = 0x0A000001, 0x0A000002  # 10.0.0.1, 10.0.0.2
ADDRESS6, TO_ADDRESS6 = (0x20010DB8 << 96) + 1, (0x20010DB8 << 96) + 2  # 2001:db8::1, ::2
_CHECKSUM = {6: 16, 17: 6}  # by protocol: where TCP and UDP have their checksum


class Layer(bytes):
    """A header and what is behind it. number: by which the layer below names it, an EtherType or a protocol."""

    number: int

    def __new__(cls, data: bytes, number: int) -> Layer:
        made = super().__new__(cls, data)
        made.number = number
        return made


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload: bytes = b"", type: int | None = None, src: bytes | str = MAC, dst: bytes | str = TO_MAC) -> bytes:
    """A frame. type: the EtherType, by default the payload's own."""
    return _mac(dst) + _mac(src) + struct.pack(">H", _number(payload, type, 0x88B5)) + payload


def vlan(payload: bytes = b"", id: int = 1, priority: int = 0, type: int | None = None, tag: int = 0x8100) -> Layer:
    """An 802.1Q tag; tag=0x88A8 for an outer one of 802.1ad."""
    control = (priority & 7) << 13 | id & 0xFFF
    return Layer(struct.pack(">HH", control, _number(payload, type, 0x88B5)) + payload, tag)


def ipv4(
    payload: bytes = b"", proto: int | None = None, src: int | str = ADDRESS, dst: int | str = TO_ADDRESS,
    ttl: int = 64, tos: int = 0, id: int = 0, frag: int = 0, options: bytes = b"",
) -> Layer:  # fmt: skip
    """An IPv4 packet. frag: flags and offset as they stand in the header. options: padded to words of 4 bytes."""
    proto = _number(payload, proto, 253)
    options += bytes(-len(options) % 4)
    size = 20 + len(options)
    source, target = int(IPv4Address(src)), int(IPv4Address(dst))
    fields = (0x40 | size // 4, tos, size + len(payload) & 0xFFFF, id, frag, ttl, proto, 0, source, target)
    header = struct.pack(">BBHHHBBHII", *fields) + options
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    pseudo = struct.pack(">IIBBH", source, target, 0, proto, len(payload) & 0xFFFF)
    return Layer(header + (payload if frag & 0x1FFF else _summed(payload, proto, pseudo)), 0x0800)


def ipv6(
    payload: bytes = b"", proto: int | None = None, src: int | str = ADDRESS6, dst: int | str = TO_ADDRESS6,
    hops: int = 64, traffic: int = 0, flow: int = 0,
) -> Layer:  # fmt: skip
    """An IPv6 packet without extension headers."""
    proto = _number(payload, proto, 59)
    first = 6 << 28 | traffic << 20 | flow
    addresses = IPv6Address(src).packed + IPv6Address(dst).packed
    pseudo = addresses + struct.pack(">II", len(payload), proto)
    header = struct.pack(">IHBB", first, len(payload) & 0xFFFF, proto, hops) + addresses
    return Layer(header + _summed(payload, proto, pseudo), 0x86DD)


def tcp(
    payload: bytes = b"", sport: int = 1024, dport: int = 80, seq: int = 0, ack: int = 0, flags: int = 0x18,
    window: int = 65535, options: bytes = b"",
) -> Layer:  # fmt: skip
    """A TCP segment; the layer below sums it. flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16 and so on."""
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) // 4
    return Layer(
        struct.pack(">HHIIBBHHH", sport, dport, seq, ack, offset << 4, flags, window, 0, 0) + options + payload, 6
    )


def udp(payload: bytes = b"", sport: int = 1024, dport: int = 53) -> Layer:
    """A UDP datagram; the layer below sums it."""
    return Layer(struct.pack(">HHHH", sport, dport, 8 + len(payload) & 0xFFFF, 0) + payload, 17)


def icmp(payload: bytes = b"", type: int = 8, code: int = 0, rest: int = 0) -> Layer:
    """An ICMP message, an echo request by default."""
    data = struct.pack(">BBHI", type, code, 0, rest) + payload
    return Layer(data[:2] + struct.pack(">H", checksum(data)) + data[4:], 1)


def _mac(address: bytes | str) -> bytes:
    data = bytes.fromhex(address.replace(":", " ")) if isinstance(address, str) else address
    if len(data) != 6:
        raise ValueError(f"{address!r} is no address of Ethernet, of 6 bytes")
    return data


def _number(payload: bytes, given: int | None, other: int) -> int:
    if given is not None:
        return given
    return payload.number if isinstance(payload, Layer) else other


def _summed(payload: bytes, proto: int, pseudo: bytes) -> bytes:
    """`payload` with its checksum, where it is TCP or UDP and has none yet."""
    at = _CHECKSUM.get(proto)
    if at is None or len(payload) < at + 2 or payload[at : at + 2] != b"\0\0":
        return payload
    found = checksum(pseudo + payload) or 0xFFFF  # UDP: 0 means that there is none
    return payload[:at] + struct.pack(">H", found) + payload[at + 2 :]
