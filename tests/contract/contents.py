"""A program that uses maps of each kind whose contents `maps=` gives, and what is asked of them on every machine."""

from __future__ import annotations

import ipaddress
from typing import Any

from bpfvm import (
    XDP_DROP,
    XDP_PASS,
    Array,
    Bloom,
    Hash,
    LpmTrie,
    Outcome,
    Queue,
    Stack,
    be32,
    bpf,
    char,
    ip4prefix,
    pkt,
    struct,
    u8,
    u16,
    u32,
    u64,
)


@struct
class Flow:
    src: be32
    port: u16
    name: char[6]
    mac: u8[6]


@struct
class Seen:
    packets: u64
    last: u32


flows = Hash(Flow, Seen, 8)
by_port = Hash(u16, u64, 8)
rows = Array(Seen, 4)
each = Array(u64, 2, percpu=True)
routes = LpmTrie(ip4prefix, u32, 8)
waiting = Queue(u32, 8)
last = Stack(u32, 8)
known = Bloom(u32, 8)


@bpf.xdp(on_fault=0)
def used() -> int:
    """Every map is read, and nothing is stored but what is pushed: the packet's first byte says whether."""
    found = by_port.get(1, 0) + rows[0].packets + each[0]
    if Flow(port=1) in flows:
        found += 1
    if 5 in known:
        found += 1
    if routes.get(ip4prefix(length=32, address=0x0A000001)) is not None:
        found += 1
    if pkt[0] == 1:
        waiting.push(3)
        last.push(3)
    if pkt[0] == 2:
        waiting.pop()
        last.pop()
    return XDP_PASS if found < 1000 else XDP_DROP


IDLE, PUSH, POP = (bytes([first]) + bytes(59) for first in range(3))
GIVEN: dict[str, Any] = {
    "flows": {Flow(src=0x0A000001, port=53, name="udp", mac=b"abcdef"): Seen(packets=2, last=1)},
    "by_port": {53: 7, 80: 9}, "rows": [Seen(), Seen(packets=3)], "each": {1: [4]},
    "routes": {"10.0.0.0/8": 1, "10.1.0.0/16": 2}, "waiting": [1, 2], "last": [1, 2], "known": [5, 6],
}  # fmt: skip


def _run(engine: str, packet: bytes, maps: Any) -> Outcome:
    with used.session(engine, maps) as session:
        return session.outcome(used.input((packet,)))


def given_back(engine: str) -> None:
    """An outcome's maps are contents that make the same maps again."""
    first = _run(engine, IDLE, GIVEN)
    for packet, queue, stack in ((IDLE, [1, 2], [1, 2]), (PUSH, [1, 2, 3], [1, 2, 3]), (POP, [2], [1])):
        after = _run(engine, packet, first.maps).maps
        assert (list(after["waiting"].values()), list(after["last"].values())) == (queue, stack)
        assert packet != IDLE or after == first.maps


def found_in_every_form(engine: str) -> None:
    """Each key that `maps=` takes is a key of what the outcome shows, and its hash is that of what stands there."""
    maps = _run(engine, IDLE, GIVEN).maps
    key: Any = Flow(src=0x0A000001, port=53, name="udp", mac=b"abcdef")
    shown = {"src": 0x0A000001, "port": 53, "name": "udp", "mac": list(b"abcdef")}
    for form in (key, shown, {**shown, "mac": tuple(b"abcdef")}, bytes(key), bytearray(bytes(key)), bytes(key).hex()):
        _check(maps["flows"], form, Seen(packets=2, last=1))
    (there,) = maps["flows"]
    assert (there == key, key == there, there == shown, hash(there), {there: 1}[key]) == (
        True,
        True,
        True,
        hash(key),
        1,
    )
    network = ipaddress.ip_network("10.0.0.0/8")
    for form in ("10.0.0.0/8", network, (8, "10.0.0.0"), bytes([8, 0, 0, 0, 10, 0, 0, 0])):
        _check(maps["routes"], form, 1)
    for form in (53, bytes([53, 0]), "3500"):
        _check(maps["by_port"], form, 7)
    assert "10.9.0.0/16" not in maps["routes"]
    assert Flow(src=1, port=53, name="udp", mac=b"abcdef") not in maps["flows"].keys()  # noqa: SIM118


def _check(contents: Any, key: Any, value: Any) -> None:
    assert contents[key] == value
    assert contents.get(key) == value
    assert key in contents
    assert key in contents.keys()  # noqa: SIM118
    assert (key, value) in contents.items()
