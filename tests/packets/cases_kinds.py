"""XDP programs each of which is about a kind of map, helpers or a way to write programs."""

from __future__ import annotations

from tests.packets.cases_edge import LOOPBACK
from tests.packets.cases_xdp import ip, u32
from tests.packets.machines import Case

CASES: tuple[Case, ...] = (
    Case("bloom_first.o", "bloom_first"),
    Case("sampler.o", "sampler"),
    Case("port_pool.o", "port_pool", maps={"free_ports": [(b"", u32(port)) for port in range(40000, 40006)]}),
    Case("tenants.o", "tenant_rules", maps={
        "tenants": [(u32(1), b"red"), (u32(2), b"blue")],
        "red": [(ip(f"10.0.1.{host}"), u32(host % 3)) for host in (1, 5, 9, 13)],
    }),
    Case("generations.o", "generations"),
    Case("ring_events.o", "ring_events"),
    Case("perf_samples.o", "perf_samples"),
    Case("pipeline.o", "parse"),
    Case("chain.o", "chain"),
    Case("totals.o", "total"),
    Case("settings.o", "settings"),
    Case("payload_sum.o", "payload_sum"),
    Case("aging.o", "aging"),
    Case("records.o", "records"),
    Case("texts.o", "texts"),
    Case("marks.o", "marks"),
    Case("functions.o", "functions"),
    Case("bits.o", "bits"),
    Case("sums.o", "sums"),
    Case("spread.o", "spread", maps={
        "cpus": [(u32(0), u32(192) + u32(0)), (u32(1), u32(64) + u32(0))],
        "devices": [(u32(77), u32(LOOPBACK) + u32(0))],
    }),
    Case("socket_queues.o", "socket_queues"),
    Case("orders.o", "orders", maps={
        "mail": [*((b"", ip(f"10.0.{host % 2}.{host}") + u32(host % 4)) for host in range(1, 12)), (b"", b"cut")],
    }),
)  # fmt: skip
