"""Frames for the programs of cases_skb: what arrives at and leaves a host."""

from __future__ import annotations

import random
from typing import Any

from tests.packets.made import arp, ether, ipv4, ipv6


def frames() -> list[bytes]:
    """Always the same frames, all of them whole: the kernel takes no skb with half an IP header."""
    rng = random.Random(4)
    found = [*_flows(rng), *_requests(), *_tunnels(), *_six()]
    rng.shuffle(found)
    return [bytes(one) for one in found]


def _flows(rng: random.Random) -> list[Any]:
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    found: list[Any] = []
    for number in range(60):
        host = rng.randrange(1, 12)
        target = "01:00:5e:00:00:01" if number % 9 == 0 else "02:00:00:00:01:00"
        eth = ether(src=f"02:00:00:00:00:{host:02x}", dst=target)
        ip = ipv4(src=f"10.0.{number % 3}.{host}", dst=f"10.{number % 4}.0.9", tos=rng.randrange(256), id=number)
        load = Raw(rng.randbytes(rng.choice((0, 3, 40, 200, 900))))
        ports: dict[str, Any] = {"sport": rng.choice((53, 4000)), "dport": rng.choice((53, 80, 9))}
        found.append(eth / ip / UDP(chksum=rng.choice((None, 0)), **ports) / load)
        found.append(eth / ip / TCP(dport=rng.choice((80, 22)), flags="PA") / load)
        if number % 4 == 0:
            found += [eth / ip / ICMP() / load, eth / ipv4(src=ip.src, dst=ip.dst, proto=89) / load,
                      eth / Dot1Q(vlan=number, prio=number % 8) / ip / UDP(dport=53) / load,
                      eth / ipv4(src=ip.src, dst=ip.dst, frag=number, flags="MF", proto=17) / load,
                      eth / arp(psrc=ip.src, pdst=ip.dst)]  # fmt: skip
    return [*found, ether() / ipv4(dst="127.0.0.1") / UDP(), ether() / ipv4(options=[b"\x01" * 8]) / UDP(dport=53)]


def _requests() -> list[Any]:
    from scapy.layers.inet import TCP
    from scapy.packet import Raw

    texts = [b"GET / HTTP/1.1\r\nAccept: *\r\nHost: " + host + b"\r\n\r\n" + b"." * 20
             for host in (b"example.com", b"shop.test:8080", b"other.test", b"a" * 20, b"")]  # fmt: skip
    texts += [b"Length: " + number + b"\r\n" + b" " * 20
              for number in (b"12", b"0x1f40", b"017", b"nine", b"99999999999999999999999", b"-1", b" 7")]  # fmt: skip
    texts += [b"GET / HTTP/1.1\r\nHost: exam"]
    return [
        ether() / ipv4(src="10.0.0.5", dst="10.1.0.9", tos=2) / TCP(dport=80, flags="PA") / Raw(text) for text in texts
    ]


def _tunnels() -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    outer = ether() / ipv4(src="192.0.2.1", dst="192.0.2.2")
    return [
        *(outer / ipv4() / TCP() / Raw(b"x" * size) for size in (0, 10, 100)),
        *(outer / ipv6() / UDP() / Raw(b"y" * size) for size in (0, 30)),
        ether(type=0x88A8) / Dot1Q(vlan=3) / Dot1Q(vlan=4) / ipv4() / UDP(sport=7, dport=8),
        ether() / Dot1Q(vlan=3) / Dot1Q(vlan=4) / Dot1Q(vlan=5) / ipv4() / UDP(),
        ether() / Dot1Q(vlan=9) / ipv6() / TCP(sport=1, dport=2),
    ]  # fmt: skip


def _six() -> list[Any]:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoRequest
    from scapy.packet import Raw

    found: list[Any] = []
    for number in range(8):
        source = f"2001:db8::{number:x}"
        translated = ipv6(src=source, dst=f"64:ff9b::c000:{number:x}", hlim=60 + number, tc=number * 16)
        found.append(ether() / translated / UDP(sport=5, dport=6) / Raw(b"z" * number))
        direct = ipv6(src=source, dst="2001:db8::100", tc=number, fl=number * 4096)
        found.append(ether() / direct / TCP(dport=80) / Raw(b"z" * 9 * number))
    return [*found, ether() / ipv6() / ICMPv6EchoRequest(), ether() / ipv6(dst="64:ff9b::1") / TCP()]
