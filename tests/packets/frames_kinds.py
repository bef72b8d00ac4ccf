"""Frames for the programs of cases_kinds: many senders, sizes and protocols, in runs and mixed."""

from __future__ import annotations

import random
from typing import Any

from tests.packets.made import arp, ether, ipv4, ipv6


def frames() -> list[bytes]:
    """Always the same frames."""
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    rng = random.Random(3)
    found: list[Any] = []
    for number in range(150):
        host = rng.randrange(1, 30)
        eth = ether(src=f"02:00:00:00:00:{host:02x}", dst="02:00:00:00:01:00")
        ip = ipv4(
            src=f"10.0.{host % 2}.{host}", dst=f"10.0.0.{100 + number % 3}", id=number, ttl=rng.choice((1, 63, 64))
        )
        load = Raw(rng.randbytes(rng.choice((0, 1, 7, 30, 46, 200, 300, rng.randrange(1400)))))
        found.append(
            rng.choice((
                eth / ip / TCP(sport=1024 + host % 4, dport=rng.choice((22, 80, 443)), flags=rng.choice("SSAR")) / load,
                eth / ip / UDP(sport=53, dport=rng.randrange(65536)) / load,
                eth / ip / UDP(sport=53, dport=53, chksum=rng.choice((0, 0x1234))) / load,
                eth / ip / ICMP(type=8, seq=number) / load,
                eth / ipv4(src=ip.src, dst=ip.dst, proto=4, ttl=ip.ttl) / ip / UDP(),
                eth / ipv4(src=ip.src, dst=ip.dst, chksum=0x1234, proto=2) / load,
                eth / Dot1Q(vlan=host % 4) / ip / TCP(dport=80) / load,
                eth / Dot1Q(vlan=host % 4) / Dot1Q(vlan=5) / ipv6(dst=f"2001:db8::{host}") / UDP(),
                eth / ipv6(src=f"2001:db8::{host}", dst="2001:db8::100") / TCP(dport=80) / load,
                eth / arp(psrc=ip.src, pdst=ip.dst),
                eth / ipv4(src=ip.src, dst=ip.dst, options=[b"\x01\x01\x01\x00"]) / UDP() / load,
            ))
        )  # fmt: skip
    whole = [bytes(one) for one in found]
    return [*whole, *(one[: rng.randrange(14, len(one))] for one in whole[::8]), *whole[:30]]
