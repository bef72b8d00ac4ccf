"""Frames for tests, made of bytes: `ethernet(ipv4(udp(b"…", dport=53)))`. Lengths and checksums are right.

Each function takes what stands behind its header: bytes, what is made here, or a layer of scapy. The number of the
layer above is recognised: `ipv4` knows that a `udp(...)` is protocol 17. Addresses are numbers or text: "10.0.0.1",
"2001:db8::1", "02:00:00:00:00:01". UsageError names the field that does not fit.

Sources: RFC 894, RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, IEEE 802.1Q.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, SupportsBytes, TypeAlias

from bpfvm.core.errors import UsageError

MAC, TO_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESS, TO_ADDRESS = 0x0A000001, 0x0A000002  # 10.0.0.1, 10.0.0.2
ADDRESS6, TO_ADDRESS6 = (0x20010DB8 << 96) + 1, (0x20010DB8 << 96) + 2  # 2001:db8::1, ::2
_CHECKSUM = {6: 16, 17: 6}  # by protocol: where TCP and UDP have their checksum
_BITS = {"B": 8, "H": 16, "I": 32}  # by letters of module struct
_MOST_OPTIONS = 40  # bytes: headers of IPv4 and TCP count their words in 4 bits

Payload: TypeAlias = "bytes | bytearray | memoryview | SupportsBytes"


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


def ethernet(
    payload: Payload = b"", type: int | None = None, src: bytes | str = MAC, dst: bytes | str = TO_MAC
) -> bytes:  # fmt: skip
    """A frame. type: the EtherType, by default the payload's own."""
    number = _number("ethernet", payload, "type", type, {"Ether": "type"}, 0x88B5)
    return _mac("dst", dst) + _mac("src", src) + _header("ethernet", "H", type=number) + _bytes("ethernet", payload)


def vlan(payload: Payload = b"", id: int = 1, priority: int = 0, type: int | None = None, tag: int = 0x8100) -> Layer:
    """An 802.1Q tag; tag=0x88A8 for an outer one of 802.1ad."""
    control = _checked("vlan", "priority", priority, 3) << 13 | _checked("vlan", "id", id, 12)
    number = _number("vlan", payload, "type", type, {"Dot1Q": "type", "Ether": "type"}, 0x88B5)
    tag = _checked("vlan", "tag", tag, 16)
    return Layer(_header("vlan", "HH", control=control, type=number) + _bytes("vlan", payload), tag)


def ipv4(
    payload: Payload = b"", proto: int | None = None, src: int | str = ADDRESS, dst: int | str = TO_ADDRESS,
    ttl: int = 64, tos: int = 0, id: int = 0, frag: int = 0, options: bytes = b"",
) -> Layer:  # fmt: skip
    """An IPv4 packet. frag: flags and offset as they stand in the header. options: padded to words of 4 bytes."""
    proto = _number("ipv4", payload, "proto", proto, {"IP": "proto"}, 253)
    data, options = _bytes("ipv4", payload), _options("ipv4", options)
    size = 20 + len(options)
    source, target = int(_address("ipv4", "src", IPv4Address, src)), int(_address("ipv4", "dst", IPv4Address, dst))
    header = _header(
        "ipv4", "BBHHHBBHII", version=0x40 | size // 4, tos=tos, length=size + len(data) & 0xFFFF, id=id, frag=frag,
        ttl=ttl, proto=proto, checksum=0, src=source, dst=target,
    ) + options  # fmt: skip
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    pseudo = struct.pack(">IIBBH", source, target, 0, proto, len(data) & 0xFFFF)
    return Layer(header + (data if frag & 0x1FFF else _summed(data, proto, pseudo)), 0x0800)


def ipv6(
    payload: Payload = b"", proto: int | None = None, src: int | str = ADDRESS6, dst: int | str = TO_ADDRESS6,
    hops: int = 64, traffic: int = 0, flow: int = 0,
) -> Layer:  # fmt: skip
    """An IPv6 packet without extension headers."""
    proto = _number("ipv6", payload, "proto", proto, {"IPv6": "nh"}, 59)
    data = _bytes("ipv6", payload)
    first = 6 << 28 | _checked("ipv6", "traffic", traffic, 8) << 20 | _checked("ipv6", "flow", flow, 20)
    addresses = _address("ipv6", "src", IPv6Address, src).packed + _address("ipv6", "dst", IPv6Address, dst).packed
    header = _header("ipv6", "IHBB", first=first, length=len(data) & 0xFFFF, proto=proto, hops=hops) + addresses
    return Layer(header + _summed(data, proto, addresses + struct.pack(">II", len(data), proto)), 0x86DD)


def tcp(
    payload: Payload = b"", sport: int = 1024, dport: int = 80, seq: int = 0, ack: int = 0, flags: int = 0x18,
    window: int = 65535, options: bytes = b"",
) -> Layer:  # fmt: skip
    """A TCP segment; the layer below sums it. flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16 and so on."""
    options = _options("tcp", options)
    header = _header(
        "tcp", "HHIIBBHHH", sport=sport, dport=dport, seq=seq, ack=ack, offset=(20 + len(options)) // 4 << 4,
        flags=flags, window=window, checksum=0, urgent=0,
    )  # fmt: skip
    return Layer(header + options + _bytes("tcp", payload), 6)


def udp(payload: Payload = b"", sport: int = 1024, dport: int = 53) -> Layer:
    """A UDP datagram; the layer below sums it."""
    data = _bytes("udp", payload)
    return Layer(_header("udp", "HHHH", sport=sport, dport=dport, length=8 + len(data) & 0xFFFF, checksum=0) + data, 17)


def icmp(payload: Payload = b"", type: int = 8, code: int = 0, rest: int = 0) -> Layer:
    """An ICMP message, an echo request by default."""
    data = _header("icmp", "BBHI", type=type, code=code, checksum=0, rest=rest) + _bytes("icmp", payload)
    return Layer(data[:2] + struct.pack(">H", checksum(data)) + data[4:], 1)


def _header(layer: str, form: str, **fields: int) -> bytes:
    """Fields in the order of the wire. form: their widths, as letters of module struct."""
    widths = zip(form, fields.items(), strict=True)
    return struct.pack(f">{form}", *(_checked(layer, name, value, _BITS[letter]) for letter, (name, value) in widths))


def _checked(layer: str, name: str, value: Any, bits: int) -> int:
    """`value` where it is a number of so many bits."""
    if not hasattr(value, "__index__"):
        raise UsageError(f"{layer}({name}={value!r:.60}): {name} is a number of {bits} bits, 0 to {(1 << bits) - 1}")
    if not 0 <= value < 1 << bits:
        raise UsageError(f"{layer}({name}={value}): {name} has {bits} bits, 0 to {(1 << bits) - 1}")
    return int(value)


def _options(layer: str, options: bytes) -> bytes:
    if len(options) > _MOST_OPTIONS:
        raise UsageError(f"{layer}(options=…): {len(options)} bytes, and a header has room for {_MOST_OPTIONS}")
    return options + bytes(-len(options) % 4)


def _address(layer: str, name: str, kind: Any, given: int | str) -> Any:
    try:
        return kind(given)
    except (AddressValueError, TypeError):
        example = "10.0.0.1" if kind is IPv4Address else "2001:db8::1"
        raise UsageError(f"{layer}({name}={given!r:.60}): no address; write {example!r}, or a number") from None


def _mac(name: str, address: bytes | str) -> bytes:
    try:
        data = bytes.fromhex(address.replace(":", " ")) if isinstance(address, str) else address
    except ValueError:
        data = b""
    if not isinstance(data, bytes) or len(data) != 6:
        raise UsageError(f"ethernet({name}={address!r:.60}): no address of 6 bytes; write '02:00:00:00:00:01'")
    return data


def _bytes(layer: str, payload: Payload) -> bytes:
    if isinstance(payload, bytes):
        return payload
    if not isinstance(payload, bytearray | memoryview) and not hasattr(payload, "__bytes__"):
        raise UsageError(
            f"{layer}({payload!r:.60}): what stands behind a header is bytes, or what bytes() takes, not "
            f"{payload.__class__.__name__}"
        )
    return bytes(payload)


def _number(
    layer: str, payload: Payload, name: str, given: int | None, below: Mapping[str, str], other: int
) -> int:  # fmt: skip
    """By which a header names what is behind it. below: scapy's names of such a header, and of its field."""
    if given is not None or isinstance(payload, Layer):
        return given if given is not None else payload.number  # type: ignore[union-attr]
    bound: Mapping[Any, Mapping[str, int]] | None = getattr(payload, "overload_fields", None)
    if bound is None:
        return other
    for kind, fields in bound.items():  # what scapy sets in the layer below this one
        if (field := below.get(kind.__name__)) is not None and field in fields:
            return fields[field]
    raise UsageError(f"{layer}({payload.__class__.__name__}(…)): scapy has no number for this layer; give {name}=")


def _summed(payload: bytes, proto: int, pseudo: bytes) -> bytes:
    """`payload` with its checksum, where it is TCP or UDP and has none yet."""
    at = _CHECKSUM.get(proto)
    if at is None or len(payload) < at + 2 or payload[at : at + 2] != b"\0\0":
        return payload
    found = checksum(pseudo + payload) or 0xFFFF  # UDP: 0 means that there is none
    return payload[:at] + struct.pack(">H", found) + payload[at + 2 :]
