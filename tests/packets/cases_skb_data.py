"""Programs of traffic control, sockets and cgroups that read and change an skb by helpers, with all sorts of tables."""

from __future__ import annotations

from tests.packets.cases_xdp import u32
from tests.packets.machines import Case


def u16(number: int) -> bytes:
    return number.to_bytes(2, "little")


def rule(first: int, last: int, protocol: int, allowed: int) -> bytes:
    return u16(first) + u16(last) + u32(protocol) + u32(allowed)


CASES: tuple[Case, ...] = (
    Case("skb_dscp.o", "skb_dscp", maps={
        "classes": [(u16(53), u32(10)), (u16(80), u32(46)), (u16(443), u32(0)), (u16(5060), u32(63))],
    }),
    Case("skb_walk.o", "skb_walk"),
    Case("skb_hash.o", "skb_hash"),
    Case("skb_flows.o", "skb_flows"),
    Case("skb_snap.o", "skb_snap"),
    Case("skb_ingress.o", "skb_ingress", maps={
        "rules": [(u32(0), rule(80, 80, 6, 1)), (u32(1), rule(0, 1023, 6, 0)), (u32(3), rule(53, 53, 17, 1)),
                  (u32(4), rule(5000, 9000, 17, 0))],
    }),
    Case("skb_policy.o", "skb_policy", fields={"ingress_ifindex": 1, "mark": 3}, maps={
        "inner_ports": [(u16(53), u32(2)), (u16(22), u32(7))],
    }),
    Case("skb_limits.o", "skb_limits"),
    Case("skb_options.o", "skb_options"),
    Case("skb_once.o", "skb_once"),
    Case("skb_gre.o", "skb_gre"),
    Case("skb_rewrite.o", "skb_rewrite"),
    Case("skb_copies.o", "skb_copies"),
    Case("dynptr_rewrite.o", "dynptr_rewrite"),
    Case("dynptr_rewrite.o", "dynptr_look"),
)  # fmt: skip
