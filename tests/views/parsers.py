"""Parsers of traffic, as one writes them for a socket on an interface."""

from __future__ import annotations

import socket
from typing import Any

from bpfvm import Array, Counter, bpf, char, pkt, u64

hits = Array(u64, 256)
qtypes = Array(u64, 256)
methods = Counter(char[4])


@bpf.socket("lo")
def proto(skb: Any) -> None:
    hits[pkt.ip.proto] += 1


@bpf.socket("lo")
def protolen(skb: Any) -> None:
    hits[pkt.ip.proto] += skb.len


@bpf.socket("lo")
def dns(skb: Any) -> None:
    ip = pkt.ip
    if ip.proto != socket.IPPROTO_UDP or ip.udp.length < 12:
        return
    q = ip.udp.data[12:]
    for _ in range(8):
        n = q[0]
        if n == 0:
            qtypes[q[2]] += 1
            return
        q = q[n + 1 :]


@bpf.socket("lo")
def http(skb: Any) -> None:
    if skb.ingress_ifindex == 0:
        return
    h = pkt.ip.tcp.data[0:4]
    if h in (b"HTTP", b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE"):
        methods[h] += 1


PARSERS = (proto, protolen, dns, http)
