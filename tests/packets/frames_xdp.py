"""Frames for the programs of cases_xdp: one at least for each of their branches."""

from __future__ import annotations

import random

from tests.packets.made import arp, ether, ipv4, ipv6


def frames() -> list[bytes]:
    """Always the same frames, in an order in which senders mix."""
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    rng, found = random.Random(1), []
    clients = [f"10.0.{network}.{host}" for network in range(3) for host in (1, 2, 9)]
    for sender in clients:
        eth = ether(src=f"02:00:00:00:00:{int(sender.split('.')[3]):02x}", dst="02:00:00:00:01:00")
        ip = ipv4(src=sender, dst="10.0.0.100", id=1)
        for port in (80, 443, 53, 7000, 8000, 9000, 8000):
            found.append(eth / ip / UDP(sport=4000 + port % 7, dport=port) / Raw(rng.randbytes(port % 23)))
        for port, flags in ((80, "S"), (80, "A"), (80, "PA"), (443, "S"), (443, "R"), (22, "A"), (22, "S"), (25, "S")):
            found.append(eth / ip / TCP(sport=5000, dport=port, flags=flags, window=port) / Raw(b"x" * (port % 5)))
        found.append(eth / ip / ICMP(type=8, id=3, seq=4) / Raw(b"ping"))
        found.append(eth / ip / ICMP(type=3))
        found.append(eth / ipv4(src=sender, dst="10.0.0.7", id=1, proto=4) / ip / UDP(sport=1, dport=2))
        found.append(eth / ipv4(src=sender, dst="10.0.0.101", options=[b"\x01\x01\x01\x01"], id=1) / UDP(dport=80))
        found.append(eth / Dot1Q(vlan=7) / ip / UDP(dport=80))
        found.append(eth / Dot1Q(vlan=7, type=0x8100) / Dot1Q(vlan=9) / ip / TCP(dport=80, flags="S"))
        found.append(eth / Dot1Q(vlan=4095) / ip)
        found.append(eth / arp(psrc=sender, pdst="10.0.0.100"))
    for host in range(1, 9):
        for network in ("2001:db8::", "2001:db8:1::", "fe80::"):
            ip6 = ipv6(src=f"{network}{host}", dst="2001:db8::100")
            found.append(ether(dst="02:00:00:00:01:00") / ip6 / TCP(dport=80, flags="S"))
    whole = [bytes(one) for one in found]
    cut = [one[: rng.randrange(14, len(one))] for one in whole[::9]]
    flood = [
        bytes(ether(dst="02:00:00:00:01:00") / ipv4(src="10.9.9.9", dst="10.0.0.100", id=n) / TCP(sport=n, flags="S"))
        for n in range(9)
    ]
    rng.shuffle(whole)
    return [*whole, *cut, *flood, *whole[:20]]
