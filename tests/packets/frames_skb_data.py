"""Frames for the programs of cases_skb_data: flows, extension headers, TCP options, fragments that come twice, GRE."""

from __future__ import annotations

import random
from typing import Any

from tests.packets.made import arp, ether, ipv4, ipv6


def frames() -> list[bytes]:
    """Always the same frames, all of them whole: the kernel takes no skb with half an IP header."""
    rng = random.Random(5)
    found = [*_flows(rng), *_options(rng), *_pieces(rng), *_tunnels(), *_six(rng), *_zeros(rng)]
    rng.shuffle(found)
    return [bytes(one) for one in found]


def _flows(rng: random.Random) -> list[Any]:
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    found: list[Any] = []
    for number in range(50):
        eth = ether(
            src="02:00:00:00:00:01", dst=("02:00:00:00:01:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01")[number % 3]
        )
        ip = ipv4(src=f"10.0.0.{rng.randrange(1, 5)}", dst="10.0.0.100", tos=rng.randrange(256), id=number)
        load = Raw(rng.randbytes(rng.choice((0, 1, 15, 16, 17, 64, 301, 1200))))
        port = rng.choice((22, 53, 80, 443, 5060, 8080))
        found += [eth / ip / UDP(sport=5000, dport=port, chksum=rng.choice((None, None, 0))) / load,
                  eth / ip / TCP(sport=rng.randrange(6000, 6003), dport=port, flags="PA") / load]  # fmt: skip
        if number % 5 == 0:
            found += [eth / ip / ICMP() / load, eth / arp(psrc=ip.src, pdst=ip.dst), eth / ip / Raw(b"abc"),
                      eth / ipv4(src=ip.src, dst=ip.dst, options=[b"\x01" * 4]) / UDP(dport=port) / load,
                      eth / Dot1Q(vlan=number) / ip / UDP(dport=port) / load]  # fmt: skip
    return found


def _options(rng: random.Random) -> list[Any]:
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    known: list[Any] = [
        [("MSS", 1460)], [("MSS", 1200)], [("MSS", 536)], [("NOP", None), ("MSS", 9000)],
        [("SAckOK", b""), ("MSS", 1460)],
        [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 9)), ("NOP", None), ("WScale", 7)], [("NOP", None)] * 40,
        [("NOP", None), ("NOP", None), ("NOP", None), ("MSS", 65535)], [("EOL", None), ("MSS", 1460)], [("WScale", 14)],
    ]  # fmt: skip
    raw = [
        b"\x02\x04\x05",
        b"\x02\x00\x05\xb4",
        b"\x02\x01\x05\xb4",
        b"\x08\x28\0\0",
        b"\xfe\x04ab",
        b"\x01\x01\x01\x02",
        b"\x02\x03\x09\x02\x04\x09\x09\x00",
    ]
    found = [
        ipv4(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="S", sport=number, options=one)
        for number, one in enumerate(known)
    ]
    for one in raw:
        words = (len(one) + 3) // 4
        found.append(
            ipv4(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="S", dataofs=5 + words) / Raw(one.ljust(4 * words, b"\0"))
        )
    found += [ipv4(dst="10.0.0.2") / TCP(dataofs=words) for words in (0, 4, 6, 15)]
    return [ether() / one / Raw(rng.randbytes(size)) for one in found for size in (0, 3)]


def _pieces(rng: random.Random) -> list[Any]:

    from scapy.packet import Raw

    found: list[Any] = []
    for number in range(40):
        for part in range(3):
            piece = ipv4(
                src="10.0.0.9", dst="10.0.0.2", id=number, frag=part * 3, flags="MF" if part < 2 else 0, proto=17
            )
            found += [ether() / piece / Raw(rng.randbytes(24))] * rng.choice((1, 1, 2, 3))
    return found


def _tunnels() -> list[Any]:
    from scapy.layers.inet import UDP
    from scapy.layers.l2 import GRE
    from scapy.packet import Raw

    outer = ether() / ipv4(src="192.0.2.1", dst="192.0.2.2")
    return [
        *(outer / GRE() / ipv4() / UDP(dport=53) / Raw(b"x" * size) for size in (0, 10, 100)),
        *(outer / GRE() / ipv6() / UDP() / Raw(b"y" * size) for size in (0, 30)),
        outer / GRE(key_present=1, key=7) / ipv4() / UDP(), outer / GRE(proto=0x6558) / ether() / ipv4(),
        outer / GRE(), outer / GRE(proto=0x86DD), ether() / ipv4(proto=47),
    ]  # fmt: skip


def _six(rng: random.Random) -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.inet6 import (
        ICMPv6EchoRequest,
        IPv6ExtHdrDestOpt,
        IPv6ExtHdrFragment,
        IPv6ExtHdrHopByHop,
        IPv6ExtHdrRouting,
    )
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    chains: list[Any] = [[], [IPv6ExtHdrHopByHop()], [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()], [IPv6ExtHdrRouting()],
                         [IPv6ExtHdrFragment(id=7, offset=3)], [IPv6ExtHdrDestOpt()] * 5, [IPv6ExtHdrDestOpt()] * 7,
                         [IPv6ExtHdrHopByHop(len=200)]]  # fmt: skip
    found: list[Any] = []
    for number, chain in enumerate(chains):
        for last in (UDP(dport=53), TCP(dport=80), TCP(dport=5060), ICMPv6EchoRequest(), Raw(b"ab")):
            packet: Any = ipv6(
                src="2001:db8::1", dst=f"2001:db8::{number}", tc=rng.randrange(256), fl=rng.randrange(1 << 20)
            )
            for header in chain:
                packet = packet / header
            found += [ether(dst=f"02:00:00:00:00:{number:02x}") / packet / last]
    return [*found, ether() / Dot1Q(vlan=4) / ipv6() / IPv6ExtHdrHopByHop() / UDP()]


def _zeros(rng: random.Random) -> list[Any]:
    """UDP whose sum becomes 0, written as 0xffff, when skb_rewrite has changed the first 16 bytes of its load."""
    from scapy.layers.inet import UDP
    from scapy.packet import Raw

    found: list[Any] = []
    change = b"\x20" * 4 + b"\x40" * 4 + b"\x80" * 4 + b"\1\1\1\0"
    for _ in range(4):
        load, datagram = rng.randbytes(16), ipv4(id=9) / UDP(sport=5000, dport=7)
        after = bytes(one ^ other for one, other in zip(load, change, strict=True))
        missing = bytes(datagram / Raw(after + bytes(2)))[26:28]  # the sum of what comes out, but for this word
        found.append(ether() / datagram / Raw(load + missing))
    return found
