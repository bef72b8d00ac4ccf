"""XDP programs like those that people run in front of their machines, and what their tables hold at first."""

from __future__ import annotations

import socket

from tests.packets.machines import Case


def ip(text: str) -> bytes:
    """An address in network order."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def network(text: str) -> bytes:
    """A key of a trie: prefix length, address."""
    address, _, bits = text.partition("/")
    return u32(int(bits)) + ip(address)


def service(address: str, port: int) -> bytes:
    return ip(address) + port.to_bytes(2, "big") + bytes(2)


def rule(protocol: int, port: int) -> bytes:
    return bytes((protocol, 0)) + port.to_bytes(2, "big")


TCP, UDP = 6, 17
SERVERS = [ip(f"10.1.0.{number}") + bytes((2, 0, 0, 1, 0, number)) + bytes(2) for number in (1, 2, 3)]

CASES: tuple[Case, ...] = (
    Case("acl_trie.o", "acl_trie", maps={
        "networks4": [(network("10.0.0.0/16"), u32(3)), (network("10.0.1.0/24"), u32(1)),
                      (network("10.0.1.9/32"), u32(2)), (network("0.0.0.0/0"), u32(0))],
        "networks6": [(network("2001:db8::/32"), u32(1)), (network("2001:db8:1::/48"), u32(3)),
                      (network("2001:db8::4/127"), u32(2))],
    }),
    Case("port_counters.o", "port_counters"),
    Case("nat.o", "nat", maps={
        "services": [(service("10.0.0.100", 80), service("10.1.0.1", 8080)),
                     (service("10.0.0.100", 53), service("10.1.0.2", 5353)),
                     (service("10.0.0.100", 443), service("10.0.0.100", 443))],
    }),
    Case("balancer.o", "balancer", maps={
        "table": [(u32(slot), SERVERS[slot % 3] if slot % 7 else bytes(12)) for slot in range(61)],
    }),
    Case("ipip_decap.o", "ipip_decap", maps={"senders": [(ip("10.0.0.1"), b"\1"), (ip("10.0.2.9"), b"\1")]}),
    Case("vlan_strip.o", "vlan_strip"),
    Case("vlan_push.o", "vlan_push", maps={
        "members": [(bytes((2, 0, 0, 0, 0, 1)), b"\7\0"), (bytes((2, 0, 0, 0, 0, 9)), b"\xff\x0f")],
    }),
    Case("flow_table.o", "flow_table"),
    Case("ping_reply.o", "ping_reply"),
    Case("syn_guard.o", "syn_guard", maps={"banned": [(ip("10.0.2.2"), bytes(8))]}),
    Case("knock.o", "knock"),
    Case("lengths.o", "lengths_of"),
    Case("port_firewall.o", "port_firewall", maps={
        "rules": [(rule(TCP, 80), u32(1)), (rule(TCP, 22), u32(2)), (rule(TCP, 443), u32(3)), (rule(UDP, 53), u32(3)),
                  (rule(UDP, 7000), u32(2)), (rule(UDP, 9000), u32(4))],
    }),
    Case("direct_return.o", "direct_return", maps={
        "table": [(u32(slot), u32(slot % 3 + 1) + u32(slot % 4 + 1)) for slot in range(127)],
        "servers": [(u32(number), bytes((2, 0, 0, 2, 0, number, number & 1, 0)) + bytes(8)) for number in (1, 2, 3)],
    }),
)  # fmt: skip
