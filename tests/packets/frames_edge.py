"""Frames for the programs of cases_edge: headers behind headers, options, tunnels, requests, some of them broken."""

from __future__ import annotations

import random
import struct
from typing import Any

from tests.packets.made import arp, ether, ipv4, ipv6

M32 = 0xFFFFFFFF
SECRET = 0x5EC2E7  # syn_cookie.c


def frames() -> list[bytes]:
    """Always the same frames, in an order in which kinds mix; then what depends on an order."""
    rng = random.Random(2)
    parts = (_extensions(), _options(), _tunnels(rng), _names(), _requests(), _hosts(), _hellos())
    found = [bytes(one) for part in parts for one in part]
    cut = [one[: rng.randrange(14, len(one))] for one in found[::5]]
    rng.shuffle(found)
    return [*found, *cut, *map(bytes, _fragments()), *map(bytes, _handshakes())]


def _extensions() -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
    from scapy.packet import Raw

    ip = ether() / ipv6(src="2001:db8::1", dst="2001:db8::2")
    many: Any = IPv6ExtHdrDestOpt()
    for _ in range(8):
        many = many / IPv6ExtHdrDestOpt()
    return [
        ip / UDP(dport=53), ip / TCP(dport=80), ip / TCP(dport=80, flags="S"),
        ip / IPv6ExtHdrHopByHop() / UDP(dport=53),
        ip / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"x" * 12)]) / IPv6ExtHdrDestOpt() / TCP(),
        ip / IPv6ExtHdrRouting(type=0, addresses=["2001:db8::9"]) / TCP(),
        ip / IPv6ExtHdrRouting(type=2, addresses=["2001:db8::9"]) / TCP(),
        ip / IPv6ExtHdrFragment(m=1) / UDP(), ip / IPv6ExtHdrFragment(offset=3) / Raw(b"x" * 20),
        ip / IPv6ExtHdrFragment(offset=64) / Raw(b"x" * 20), ip / many / UDP(),
        ether() / ipv6(src="2001:db8::1", dst="2001:db8::2", nh=59) / Raw(b"x" * 12),
        ether() / ipv6(src="2001:db8::1", dst="2001:db8::2", nh=51) / Raw(b"\x06\x04" + bytes(22)) / TCP(),
    ]  # fmt: skip


def _options() -> list[Any]:
    """TCP options whole and broken, the segment size at even and odd places."""
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    texts = (
        b"\x02\x04\x05\xb4", b"\x01\x02\x04\x05\xb4\x01\x01\x01", b"\x02\x04\x02\x00\x04\x02\x01\x01",
        b"\x04\x02\x02\x04\x23\x00\x01\x01", b"\x01\x01\x08\x0a\x00\x00\x10\x01\x00\x00\x00\x00",
        b"\x03\x03\x07\x02\x04\x05\x51\x00", b"\x08\x0a\x12\x34\x56\x78\x00\x00\x00\x00\x00\x00",
        b"\x05\x00\x00\x00", b"\x05\x01\x00\x00", b"\x05\x09\x00\x00", b"\x01\x01\x01\x06", b"\x00\x02\x04\xff",
    )  # fmt: skip
    found = []
    for number, text in enumerate(texts):
        for flags in ("S", "A", "SA"):
            ip = ether() / ipv4(src=f"10.0.0.{number % 5}", dst="10.0.0.100", ttl=2 + number)
            found.append(ip / TCP(sport=4000, dport=80, flags=flags, dataofs=5 + len(text) // 4) / Raw(text + b"data"))
    return [
        *found,
        ether() / ipv4(dst="10.0.0.100") / TCP(dataofs=4),
        ether() / ipv4(dst="10.0.0.100") / TCP(dataofs=15),
    ]


def _tunnels(rng: random.Random) -> list[Any]:
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.l2 import GRE, Dot1Q
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Raw

    ip, inner = ether() / ipv4(src="192.0.2.1", dst="192.0.2.2"), ipv4(src="10.0.0.1", dst="10.0.0.2") / UDP()
    found = [
        ip / GRE() / inner, ip / GRE(version=1) / inner, ip / GRE(chksum_present=1) / inner,
        ip / GRE(seqnum_present=1) / inner, ip / Raw(b"\x20\x00"),
        ether() / ipv4(src="192.0.2.1", dst="192.0.2.2", options=[b"\x01" * 4]) / GRE() / inner,
    ]  # fmt: skip
    found += [ip / GRE(key_present=1, key=key) / inner for key in (5, 7, 9, 5, 1 << 31)]
    found += [ip / GRE(key_present=1, chksum_present=1, seqnum_present=1, key=7) / inner]
    for number in (1, 2, 3, 1, 4096):
        for size in (0, 6, 60):
            wrapped = ether(dst=f"02:00:00:00:00:{number & 255:02x}") / ipv4(dst="10.0.0.3") / Raw(rng.randbytes(size))
            found += [ip / UDP(dport=4789) / VXLAN(vni=number, flags=8 * (size != 6)) / wrapped, wrapped]
    for address in ("10.1.0.1", "10.1.2.3", "10.2.0.1", "198.51.100.7", "198.51.100.77", "203.0.113.1"):
        for ttl in (1, 2, 64, 255):
            found.append(ether() / ipv4(src="10.0.0.1", dst=address, ttl=ttl, tos=ttl & 3) / ICMP())
    for tag in (5, 300):
        found += [ether(type=0x88A8) / Dot1Q(vlan=tag) / inner, ether() / Dot1Q(vlan=tag) / ipv4() / TCP()]
    return found


def _names() -> list[Any]:
    from scapy.layers.dns import DNS, DNSQR
    from scapy.layers.inet import UDP

    found = []
    for name in ("ads.example.com", "ADS.Example.com", "example.com", "tracker.test", "a" * 40 + "." + "b" * 40):
        for response in (0, 1):
            udp = ether() / ipv4(src="10.0.0.1", dst="10.0.0.53") / UDP(sport=53 * response or 4000, dport=53)
            found.append(udp / DNS(id=1, qr=response, qd=DNSQR(qname=name)))
    return [*found, ether() / ipv4() / UDP(dport=53) / DNS(id=2, qd=[]), ether() / ipv4() / UDP(dport=53)]


def _requests() -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.packet import Raw

    lines = (b"GET / HTTP/1.1\r\n\r\n", b"GET /admin HTTP/1.1\r\n", b"POST /admin HTTP/1.0\r\n", b"GET /",
             b"HEAD /admin", b"POST /form HTTP/1.1\r\n\r\na=1", b"GET /adminx", b"\x16" + bytes(22))  # fmt: skip
    found: list[Any] = []
    for number, line in enumerate(lines):
        ip = ipv4(src=f"10.0.{number % 3}.1", dst="10.0.0.100", tos=(number & 3) | 0x28)
        for size in (5, 8):
            options = b"\x01" * (4 * size - 20)
            found.append(ether() / ip / TCP(sport=5000, dport=80, flags="PA", dataofs=size) / Raw(options + line))
        found += [ether() / ip / UDP(dport=port, sport=900) / Raw(line) for port in (53, 123, 443, 700, 5000)]
        found.append(ether() / ipv6(tc=number, dst="2001:db8::1") / TCP(dport=(80, 700, 5000)[number % 3]) / Raw(line))
    return found


def _hosts() -> list[Any]:

    found = []
    for host in range(1, 6):
        for operation in (1, 2):
            addresses = arp(
                op=operation, psrc=f"10.0.0.{host}", hwsrc=f"02:00:00:00:00:{host:02x}", pdst=f"10.0.0.{host + 1}"
            )
            found.append(ether(src=f"02:00:00:00:00:{host:02x}", dst="ff:ff:ff:ff:ff:ff") / addresses)
    return found


def hello(name: bytes, session: int, ciphers: int, before: int) -> bytes:
    """A TLS ClientHello: sizes of the lists before its extensions, and how many other extensions come first."""
    named = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    extensions = b"".join(struct.pack(">HH", 10 + number, number) + bytes(number) for number in range(before))
    extensions += struct.pack(">HH", 0, len(named)) + named if name else b""
    body = b"\x03\x03" + bytes(32) + bytes([session]) + bytes(session)
    body += (
        struct.pack(">H", 2 * ciphers)
        + bytes(2 * ciphers)
        + b"\x01\x00"
        + struct.pack(">H", len(extensions))
        + extensions
    )
    shaken = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(shaken)) + shaken


def _hellos() -> list[Any]:
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    names = (b"example.com", b"bad.example", b"other.test", b"x" * 32, b"x" * 33, b"")
    return [
        ether() / ipv4(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=443, flags="PA") / Raw(hello(name, *sizes))
        for name in names
        for sizes in ((0, 1, 0), (32, 16, 3), (16, 4, 9))
    ]


def _fragments() -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.packet import Raw

    found = []
    for number, port in enumerate((53, 80, 123, 8080, 22)):
        for kind, protocol in ((TCP, 6), (UDP, 17)):
            first = ether() / ipv4(id=number, flags="MF") / kind(dport=port) / Raw(b"x" * 32)
            later = [
                ether() / ipv4(id=number, flags=flags, frag=frag, proto=protocol) / Raw(b"y" * 16)
                for flags, frag in (("MF", 5), (0, 7), (0, 7))
            ]
            found += [first, *later] if number != 3 else [later[0], first, later[1]]
    return found


def _handshakes() -> list[Any]:
    """SYNs, then ACKs that bring the cookie back, or another number."""
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    found = []
    for host in range(1, 7):
        sender, target, ports, sequence = f"10.0.0.{host}", "10.0.0.100", (4000 + host, 80), 1000 * host
        eth = ether(src=f"02:00:00:00:00:{host:02x}", dst="02:00:00:00:00:64")
        segment: dict[str, Any] = {"sport": ports[0], "dport": ports[1], "seq": sequence}
        found.append(eth / ipv4(src=sender, dst=target) / TCP(flags="S", **segment) / Raw(b"x" * host))
        answer = (cookie(sender, target, ports, sequence) + 1 + (host == 3)) & M32
        segment["seq"] += 1
        found += [
            eth / ipv4(src=sender, dst=target) / TCP(flags=flags, ack=answer, **segment) for flags in ("A", "PA", "R")
        ]
    return found


def cookie(sender: str, target: str, ports: tuple[int, int], sequence: int) -> int:
    """What syn_cookie.c computes."""
    words = [int.from_bytes(bytes(map(int, one.split("."))), "little") for one in (sender, target)]
    swapped = [int.from_bytes(port.to_bytes(2, "big"), "little") for port in ports]
    total = SECRET
    for word in (*words, swapped[0] << 16 | swapped[1], sequence):
        total = (total ^ word) * 0x9E3779B1 & M32
        total ^= total >> 15
    return total
