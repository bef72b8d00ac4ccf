"""Frames of tests: what they take behind a header, and what they say of a field that does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import UsageError
from bpfvm.testing.frames import Layer, ethernet, icmp, ipv4, ipv6, tcp, udp, vlan

WIDTHS: list[tuple[Any, str, int]] = [
    (ethernet, "type", 16), (vlan, "id", 12), (vlan, "priority", 3), (vlan, "type", 16), (vlan, "tag", 16),
    (ipv4, "proto", 8), (ipv4, "ttl", 8), (ipv4, "tos", 8), (ipv4, "id", 16), (ipv4, "frag", 16), (ipv6, "proto", 8),
    (ipv6, "hops", 8), (ipv6, "traffic", 8), (ipv6, "flow", 20), (tcp, "sport", 16), (tcp, "dport", 16),
    (tcp, "seq", 32), (tcp, "ack", 32), (tcp, "flags", 8), (tcp, "window", 16), (udp, "sport", 16),
    (udp, "dport", 16), (icmp, "type", 8), (icmp, "code", 8), (icmp, "rest", 32),
]  # fmt: skip


def wrong(value: object) -> Any:
    """What type checkers refuse."""
    return value


@pytest.mark.parametrize(("layer", "name", "bits"), WIDTHS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_field_that_does_not_fit_is_named_with_its_range(layer: Any, name: str, bits: int) -> None:
    assert layer(b"", **{name: (1 << bits) - 1})
    for number in (-1, 1 << bits):
        with pytest.raises(UsageError) as told:
            layer(b"", **{name: number})
        assert str(told.value) == (
            f"{layer.__name__}({name}={number}): {name} has {bits} bits, 0 to {(1 << bits) - 1}"
        )  # fmt: skip
    with pytest.raises(UsageError, match=rf"{layer.__name__}\({name}='http'\): {name} is a number of {bits} bits"):
        layer(b"", **{name: "http"})


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: ipv4(src="10.0.0"), "ipv4(src='10.0.0'): no address; write '10.0.0.1', or a number"),
        (lambda: ipv4(dst=1 << 32), "ipv4(dst=4294967296): no address; write '10.0.0.1', or a number"),
        (lambda: ipv6(dst="::g"), "ipv6(dst='::g'): no address; write '2001:db8::1', or a number"),
        (lambda: ethernet(src="02:00"), "ethernet(src='02:00'): no address of 6 bytes; write '02:00:00:00:00:01'"),
        (lambda: ethernet(dst="zz"), "ethernet(dst='zz'): no address of 6 bytes; write '02:00:00:00:00:01'"),
        (lambda: ethernet(dst=wrong(5)), "ethernet(dst=5): no address of 6 bytes; write '02:00:00:00:00:01'"),
        (lambda: tcp(options=bytes(41)), "tcp(options=…): 41 bytes, and a header has room for 40"),
        (lambda: ipv4(options=bytes(44)), "ipv4(options=…): 44 bytes, and a header has room for 40"),
        (
            lambda: udp(wrong("text")),
            "udp('text'): what stands behind a header is bytes, or what bytes() takes, not str",
        ),
        (lambda: udp(wrong(5)), "udp(5): what stands behind a header is bytes, or what bytes() takes, not int"),
    ],
)
def test_errors(made: Any, text: str) -> None:
    with pytest.raises(UsageError) as told:
        made()
    assert str(told.value) == text


def test_payloads_of_every_kind_of_bytes() -> None:
    assert udp(bytearray(b"ab")) == udp(memoryview(b"ab")) == udp(b"ab")


def test_layers_of_scapy_stand_behind_a_header() -> None:
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP, Dot1Q, Ether
    from scapy.packet import Raw

    inner = IP(src="10.0.0.1", dst="10.0.0.2", id=0) / UDP(sport=1024, dport=53) / Raw(b"query")
    assert ethernet(inner) == ethernet(ipv4(udp(b"query")))
    assert ethernet(vlan(inner)) == ethernet(vlan(ipv4(udp(b"query"))))
    assert ethernet(Dot1Q(vlan=7) / inner)[12:16] == bytes.fromhex("81000007")
    assert ethernet(ARP())[12:14] == bytes.fromhex("0806")
    assert ethernet(IPv6())[12:14] == bytes.fromhex("86dd")
    assert ethernet(ipv4(UDP(sport=1024, dport=53) / Raw(b"query"))) == ethernet(ipv4(udp(b"query")))
    assert Ether(ethernet(ipv4(TCP(dport=443))))[TCP].dport == 443
    assert ipv6(UDP(dport=1))[6] == 17
    assert ipv4(ICMP())[9] == 1
    assert isinstance(ipv4(Raw(b"x"), proto=99), Layer)
    with pytest.raises(UsageError, match=r"ethernet\(TCP\(.*scapy has no number for this layer; give type="):
        ethernet(TCP())
