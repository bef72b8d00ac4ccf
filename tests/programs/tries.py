"""Bloom filters and tries, in programs of packets: those that may sleep have neither."""

from __future__ import annotations

from typing import Any

from bpfvm import Bloom, LpmTrie, bpf, ip4prefix, ip6prefix, pkt, struct, u8, u16, u32
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Job:
    id: u32 = 0
    size: u16 = 0
    kind: u8 = 0


seen = Bloom(u32, 64, name="seen")
pairs = Bloom(Job, 64, name="pairs")
routes = LpmTrie(ip4prefix, u32, 16, name="routes")
sixes = LpmTrie(ip6prefix, Job, 16, name="sixes")


def frame(source: int, target: int, protocol: int = 17) -> tuple[bytes]:
    """Ethernet and IPv4 with these addresses."""
    addresses = source.to_bytes(4, "big") + target.to_bytes(4, "big")
    return (bytes(12) + b"\x08\x00" + b"\x45" + bytes(8) + bytes([protocol]) + bytes(2) + addresses + bytes(8),)


@case(frame(1, 2), frame(2, 1), frame(3, 9))
@bpf.xdp
def bloom_filter(ctx: Any) -> int:
    """What was added is found."""
    seen.add(pkt.ip.src)
    pairs.add(Job(id=pkt.ip.src))
    return (pkt.ip.dst in seen) * 2 + (Job(id=pkt.ip.dst) in pairs)


@case(frame(0x0A000001, 0, 8), frame(0x0A010203, 0, 16), frame(0x0B000000, 0, 32), frame(0x0A010204, 0, 24),
      frame(0x0C000000, 0, 33))  # fmt: skip
@bpf.xdp
def trie_of_routes(ctx: Any) -> int:
    """The longest prefix wins; a length that no address has is a fault."""
    length, address = pkt.ip.proto, pkt.ip.src
    routes[ip4prefix(length=8, address=0x0A000000)] = 1
    routes[ip4prefix(length=length, address=address)] = u32(length * 10)
    key = ip4prefix(address=0x0A010299)
    found = routes.get(key)
    if found is None:
        return 5
    if ip4prefix(length=32, address=address) in routes:
        found += 1
    del routes[ip4prefix(length=8, address=0x0A000000)]
    return found + routes.get(key, 1000000)


@case(frame(0, 0, 1), frame(0, 0, 2), frame(0, 0, 1))
@bpf.xdp
def trie_of_networks(ctx: Any) -> int:
    """Structs as values."""
    n = pkt.ip.proto
    key = ip6prefix(length=16)
    key.address[0] = 0xFE
    key.address[1] = n
    one = sixes.setdefault(key, Job(id=n))
    key.length = 128
    key.address[9] = 7
    found = sixes.get(key)
    if found is None:
        return 0
    found.size += 5
    return one.id * 100 + one.size
