"""Frames and strategies: lengths and checksums are right by scapy, values have their edges, programs run on them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from bpfvm import Array, Queue, Ring, UsageError, be16, bpf, char, pkt, s8, s64, struct, u8, u16, u32, u64
from bpfvm.lang.types.interval import Interval
from bpfvm.testing import frames
from bpfvm.testing import strategies as made

ROOT = Path(__file__).resolve().parents[3]
table = Array(u16, 300)
numbers = Queue(u32, 16)
by_cpu = Array(u32, 300, percpu=True)
words: Any = u16  # to type checkers an int, which has no items


@bpf.xdp
def lookup(ctx: Any) -> int:
    if pkt.eth.type == 0x0800 and pkt.ip.ttl > 1:
        return u32(table[pkt.ip.tos] & 3)
    return 2


@bpf.function
def mixed(a: s8, b: u64, c: bool) -> s64:
    return s64(b) + a if c else s64(a)


KINDS = [u8, s8, u32, u64, s64, be16, bool, int]


@pytest.mark.parametrize("kind", KINDS)
def test_values_lie_in_their_type_and_reach_its_ends(kind: Any) -> None:
    strategy = made.values(kind)
    lo, hi = (kind.range.lo, kind.range.hi) if hasattr(kind, "range") else (-(1 << 63), (1 << 63) - 1)
    if kind is bool:
        lo, hi = False, True
    met = set()

    @settings(max_examples=300)
    @given(strategy)
    def inside(value: Any) -> None:
        met.add(value)
        assert lo <= value <= hi
        assert type(value) is (kind if kind in (u64, s64, bool) else int)

    inside()
    assert {lo, hi} <= met


@struct
class Event:
    flag: u8
    when: u64
    port: be16
    name: Annotated[Any, char[6]]
    table: Annotated[Any, s8[3]]


def test_structs_and_arrays() -> None:
    met: set[Any] = set()

    @settings(max_examples=200)
    @given(made.values(Event), made.values(words[3]))
    def fields(event: Any, table: Any) -> None:
        met.update([("flag", event.flag), ("when", event.when), ("port", event.port), ("name", len(str(event.name)))])
        assert bytes(event)[1:8] == bytes(7)  # padding
        assert all(-128 <= one <= 127 for one in event.table)
        assert bytes(table) == b"".join(words.pack(one) for one in table)

    fields()
    assert {("flag", 255), ("when", (1 << 64) - 1), ("port", 65535), ("name", 6)} - met == set()


def test_edges() -> None:
    assert made.edges(Interval(-2, 300)) == [0, 1, -1, 2, -2, 3, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 257,
                                             299, 300]  # fmt: skip
    assert made.edges(Interval(5, 6)) == [5, 6]


@settings(max_examples=100)
@given(made.arguments(mixed))
def test_arguments_of_a_program(given: tuple[Any, ...]) -> None:
    mixed.check(*given)


@settings(max_examples=60)
@given(made.packets(), made.map_states(table))
def test_programs_end_well_on_any_packet_from_any_state(packet: bytes, before: dict[Any, Any]) -> None:
    assert len(packet) >= 14
    assert lookup.check(packet, maps={"table": before}).maps["table"] == dict.fromkeys(range(300), 0) | before


@bpf.xdp
def holds(ctx: Any) -> int:
    numbers.push(1)
    by_cpu[0] = 1
    return 0


@settings(max_examples=30)
@given(made.map_states(numbers), made.map_states(by_cpu))
def test_states_of_queues_and_of_maps_with_values_of_each_cpu(queued: dict[Any, Any], counted: dict[Any, Any]) -> None:
    outcome = holds.check(bytes(14), maps={"numbers": queued, "by_cpu": counted})
    assert [*outcome.maps["numbers"].values()] == [*queued.values(), 1]
    assert outcome.maps["by_cpu"] == {key: [0] for key in range(300)} | counted | {0: [1]}


def test_states_are_of_declared_maps() -> None:
    given: Any
    for given in (holds, None, Ring(Event)):
        with pytest.raises(UsageError, match="map_states"):
            made.map_states(given)


def kind_of(frame: bytes) -> str:
    """What a frame looks like, in words."""
    ether = frame[12:14].hex()
    if ether != "0800":
        return ether
    return f"{ether} {frame[14] & 15} {frame[23]}" if len(frame) >= 34 else "short"


def test_packets_are_of_all_kinds() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=1500, derandomize=True, database=None)
    @given(made.packets())
    def count(frame: bytes) -> None:
        met[kind_of(frame)] += 1

    count()
    print(met)
    for kind in ("0800 5 1", "0800 5 6", "0800 5 17", "86dd", "8100", "88a8", "0806", "short"):
        assert met[kind] >= 2, kind
    assert sum(count for kind, count in met.items() if kind.startswith("0800 6")) >= 2  # with options


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(made.frames())
def test_scapy_finds_lengths_and_checksums_right(frame: bytes) -> None:
    """Built again from its fields without lengths and checksums, a frame has the same ones."""
    inet = pytest.importorskip("scapy.layers.inet", reason="scapy is not installed")
    inet6 = pytest.importorskip("scapy.layers.inet6", reason="scapy is not installed")
    ether = pytest.importorskip("scapy.layers.l2", reason="scapy is not installed").Ether(frame)
    ip = ether.getlayer(inet.IP) or ether.getlayer(inet6.IPv6)
    assume(ip is not None)
    if isinstance(ip, inet.IP):
        stored, ip.chksum, ip.len = (ip.chksum, ip.len), None, None
        again = inet.IP(bytes(ip))
        assert (again.chksum, again.len) == stored
        assume(not ip.frag)
    for kind in (inet.TCP, inet.UDP, inet.ICMP):
        layer = ip.getlayer(kind)
        if layer is not None and layer.underlayer is ip:
            stored = layer.chksum
            layer.chksum = None
            assert type(ip)(bytes(ip)).getlayer(kind).chksum == stored


def test_frames_by_hand() -> None:
    frame = frames.ethernet(frames.ipv4(frames.udp(b"hello", dport=53), options=b"\x01"))
    assert (len(frame), frame[12:15], frame[23]) == (14 + 24 + 8 + 5, b"\x08\x00\x46", 17)
    assert frames.checksum(frame[14:38]) == 0
    tagged = frames.ethernet(frames.vlan(frames.vlan(frames.ipv6(frames.tcp()), id=5), tag=0x88A8, priority=3))
    assert tagged[12:22].hex() == "88a860018100000586dd"
    assert frames.ethernet(b"x", type=0x0806)[12:] == b"\x08\x06x"
    assert frames.icmp(b"abc")[:4].hex() == "0800339d"
    assert frames.ipv4(src="10.0.0.1", dst="10.0.0.2") == frames.ipv4() == frames.ipv4(src=0x0A000001)
    assert frames.ipv6(src="2001:db8::1") == frames.ipv6()
    assert frames.ethernet(src="02:00:00:00:00:01", dst=frames.TO_MAC) == frames.ethernet()
    with pytest.raises(UsageError, match=r"ipv4\(src='10\.0\.0'\): no address"):
        frames.ipv4(src="10.0.0")
    with pytest.raises(UsageError, match=r"'02:00'\): no address of 6 bytes"):
        frames.ethernet(dst="02:00")


@pytest.mark.parametrize("call", [lambda: made.values("u32"), lambda: made.arguments(lookup)])
def test_what_has_no_strategy(call: Any) -> None:
    with pytest.raises(UsageError):
        call()


def test_hypothesis_is_loaded_when_a_strategy_is_made() -> None:
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from bpfvm.testing import strategies, frames\nimport bpfvm\n"
        "try: strategies.packets()\nexcept bpfvm.Unavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "bpfvm.testing.strategies takes the package hypothesis: pip install 'bpfvm[test]'\n"
