"""XDP programs on the edges of networks: headers behind headers, tunnels, requests told by their contents, answers."""

from __future__ import annotations

from tests.packets.cases_xdp import ip, network, u32
from tests.packets.machines import Case


def mac(last: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, last))


def dns_name(text: str) -> bytes:
    """A name as it stands in a question, in dns_block.c's keys."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")).ljust(64, b"\0")


def hop(port: int, last: int) -> bytes:
    return u32(port) + mac(last) + mac(0xFE)


LOOPBACK = 1  # the one device that every kernel has

CASES: tuple[Case, ...] = (
    Case("ext_headers.o", "ext_headers"),
    Case("tcp_options.o", "tcp_options"),
    Case("mss_clamp.o", "mss_clamp"),
    Case("gre_push.o", "gre_push", maps={
        "tunnels": [(network("10.1.0.0/16"), ip("192.0.2.1") + ip("192.0.2.9") + u32(5)),
                    (network("198.51.100.0/26"), ip("192.0.2.1") + ip("192.0.2.8") + u32(7))],
    }),
    Case("gre_strip.o", "gre_strip", maps={"tenants": [(u32(key), bytes(8)) for key in (0, 5, 7)]}),
    Case("vxlan_push.o", "vxlan_push", maps={
        "peers": [(mac(1), ip("192.0.2.7") + u32(1)), (mac(2), ip("192.0.2.8") + u32(0xFFFFFF))],
    }),
    Case("vxlan_strip.o", "vxlan_strip", per_cpu={"networks": [(u32(number), bytes(8)) for number in (1, 3, 4096)]}),
    Case("dns_block.o", "dns_block", maps={
        "listed": [(dns_name("ads.example.com"), bytes(8)), (dns_name("tracker.test"), bytes(8))],
    }),
    Case("http_paths.o", "http_paths"),
    Case("rate_limit.o", "rate_limit", unlike=("filled",)),  # times, by clocks of their own
    Case("arp_answer.o", "arp_answer", maps={"owners": [(ip(f"10.0.0.{host}"), mac(host)) for host in (2, 4, 6)]}),
    Case("router.o", "router", maps={
        "routes": [(network("10.0.0.0/8"), hop(1, 1)), (network("10.2.0.0/16"), hop(7, 2)),
                   (network("198.51.100.0/24"), hop(3, 3)), (network("198.51.100.64/26"), hop(100, 4))],
        "ports": [(u32(port), u32(LOOPBACK)) for port in (1, 3)],
    }),
    Case("dscp_remark.o", "dscp_remark", maps={
        "classes": [(u32(53), b"\x2e"), (u32(80), b"\x12"), (u32(123), b"\x3f"), (u32(700), b"\x08")],
    }),
    Case("ecn_mark.o", "ecn_mark"),
    Case("syn_cookie.o", "syn_cookie"),
    Case("qinq_push.o", "qinq_push"),
    Case("fragments.o", "fragments"),
    Case("unreachable.o", "unreachable", maps={"open": [(port.to_bytes(2, "big"), b"\1") for port in (53, 443)]}),
    Case("tls_names.o", "tls_names", maps={
        "verdicts": [(b"bad.example".ljust(32, b"\0"), u32(1)), (b"example.com".ljust(32, b"\0"), u32(3)),
                     (b"x" * 32, u32(1))],
    }),
)  # fmt: skip
