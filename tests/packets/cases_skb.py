"""Programs of traffic control, sockets, cgroups, routes and of the flow dissector."""

from __future__ import annotations

from tests.packets.cases_xdp import ip, network, u32
from tests.packets.machines import Case


def class_of(mark: int, priority: int, classid: int) -> bytes:
    return u32(mark) + u32(priority) + u32(classid)


CASES: tuple[Case, ...] = (
    Case("tc_class.o", "tc_class", fields={"mark": 77, "priority": 2}, maps={
        "classes": [(u32(key), class_of(key % 5, key, key % 3 and 0x10000 | key)) for key in range(64)],
    }),
    Case("tc_nat.o", "tc_nat", maps={
        "inside": [(ip(f"10.0.{net}.{host}"), ip("203.0.113.7")) for net in (0, 1) for host in (1, 3, 5, 7)],
    }),
    Case("tc_vlan.o", "tc_vlan"),
    Case("tc_tunnel.o", "tc_tunnel"),
    Case("tc_untunnel.o", "tc_untunnel"),
    Case("tc_turn.o", "tc_turn"),
    Case("tc_congested.o", "tc_congested"),
    Case("tc_mirror.o", "tc_mirror", fields={"mark": 5}),
    Case("tc_stages.o", "first", fields={"cb[2]": 6}),
    Case("tc_host.o", "tc_host", maps={
        "hosts": [(b"example.com".ljust(16, b"\0"), u32(2)), (b"shop.test".ljust(16, b"\0"), u32(3))],
    }),
    Case("tc_pace.o", "tc_pace", fields={"tstamp": 1_000_000}),
    Case("tc_nat64.o", "tc_nat64"),
    Case("tc_lists.o", "tc_lists"),
    Case("socket_ports.o", "socket_ports"),
    Case("socket_totals.o", "socket_totals"),
    Case("egress_list.o", "egress_list", fields={"mark": 100}, maps={
        "reachable": [(network("10.0.0.0/8"), u32(0)), (network("10.2.0.0/16"), u32(6)),
                      (network("10.3.0.0/16"), u32(17)), (network("127.0.0.0/8"), u32(255))],
    }),
    Case("ingress_quota.o", "ingress_quota"),
    Case("lwt_source.o", "lwt_source"),
    Case("lwt_counts.o", "lwt_counts"),
    Case("lwt_tunnel.o", "lwt_tunnel"),
    Case("dissect.o", "dissect"),
)  # fmt: skip
