"""Headers of made frames by scapy, with addresses of their own: scapy would take the machine's where none are given."""

from __future__ import annotations

from typing import Any

MAC, TO_MAC = "02:00:00:00:00:01", "02:00:00:00:01:00"


def ether(**fields: Any) -> Any:
    from scapy.layers.l2 import Ether

    return Ether(**{"src": MAC, "dst": TO_MAC, **fields})


def arp(**fields: Any) -> Any:
    from scapy.layers.l2 import ARP

    return ARP(**{"hwsrc": MAC, "psrc": "10.0.0.1", "pdst": "10.0.0.2", **fields})


def ipv4(**fields: Any) -> Any:
    from scapy.layers.inet import IP

    return IP(**{"src": "10.0.0.1", "dst": "10.0.0.2", **fields})


def ipv6(**fields: Any) -> Any:
    from scapy.layers.inet6 import IPv6

    return IPv6(**{"src": "2001:db8::1", "dst": "2001:db8::2", **fields})
