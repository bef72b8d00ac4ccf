"""Frames for the programs of cases_dynptr: headers of all lengths, and frames that end around the borders of frags."""

from __future__ import annotations

import random
from typing import Any

from tests.packets.made import ether, ipv4, ipv6

FIRST, PAGE = 3520, 4096  # bytes of a frame that BPF_PROG_TEST_RUN puts into its first page, and into each of the frags


def frames() -> list[bytes]:
    """Always the same frames."""
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
    from scapy.packet import Raw

    rng = random.Random(5)
    found: list[Any] = []
    for number in range(90):
        ip = ipv4(src=f"10.0.0.{number % 9}", id=number, options=[b"\x01\x01\x01\x00"] * (number % 3 == 0))
        load, port = Raw(rng.randbytes(rng.choice((0, 1, 7, 30, 46, 200)))), rng.choice((53, 80, 443, 40000))
        ports: Any = {"sport": 1024 + number % 5, "dport": port}
        six = ipv6(dst=f"2001:db8::{number}")
        for header in rng.sample((IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting), rng.randrange(4)):
            six = six / header()
        found.append(
            rng.choice((
                ether() / ip / UDP(**ports) / load,
                ether() / ip / TCP(**ports) / load,
                ether() / ip / ICMP(type=8, seq=number) / load,
                ether() / six / UDP(**ports) / load,
                ether() / six / TCP(**ports) / load,
                ether() / ipv4(proto=47) / load,
            ))
        )  # fmt: skip
    whole = [bytes(one) for one in found]
    for border in (FIRST, FIRST + PAGE):
        for size in (border - 1, border, border + 1, border + 4, border + 7, border + 8, border + 9, border + 300):
            head = bytes(ether() / ipv4() / UDP(dport=53) / Raw(b""))
            whole.append(head + bytes((7 * at) & 0xFF for at in range(size - len(head))))
    return [*whole, *(one[: rng.randrange(14, min(len(one), 90))] for one in whole[:40])]
