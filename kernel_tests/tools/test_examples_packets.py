"""Examples on packets as they are run: tools on one end of a wire of the tests' own, known packets from the other."""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bpfvm import XDP_PASS, bpf
from bpfvm.testing import frames
from kernel_tests.networks import inside, ip, pair
from kernel_tests.tools.test_examples import tool

MODES = ("native", "generic")
SERVICE = 0x0A090909
MACS = ("02:00:00:00:00:11", "02:00:00:00:00:12", "02:00:00:00:00:13")
SOON = 5.0  # seconds


@bpf.xdp
def passed(ctx: Any) -> int:
    return XDP_PASS


@pytest.fixture(scope="module")
def wire() -> Iterator[tuple[str, str]]:
    """Two namespaces; the left one has a second address, of a network of its own."""
    with pair() as (left, right):
        ip("-n", left, "addr", "add", "10.9.0.5/16", "dev", "left")
        ip("-n", right, "route", "add", "10.9.0.0/16", "dev", "right")
        yield left, right


def listening(namespace: str, port: int) -> socket.socket:
    def bound() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("10.1.1.2", port))
        one.settimeout(0.3)
        return one

    return inside(namespace, bound)


def arrived(one: socket.socket) -> list[str]:
    """Who sent what arrived."""
    found = []
    try:
        while True:
            found.append(one.recvfrom(100)[1][0])
    except TimeoutError:
        return found


def sent(source: str, port: int, count: int) -> Callable[[], None]:
    def act() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((source, 0))
            for _ in range(count):
                one.sendto(bytes(10), ("10.1.1.2", port))

    return act


def table(text: str) -> dict[str, tuple[int, ...]]:
    """Rows by their first column."""
    return {row[0]: tuple(map(int, row[1:])) for row in map(str.split, text.splitlines()[1:])}


@pytest.mark.parametrize("mode", MODES)
def test_a_firewall(wire: tuple[str, str], mode: str) -> None:
    left, right = wire
    rules = ("--deny", "10.9.0.0/16", "--deny-port", "udp:9001", "--deny-port", "tcp:9000")
    with listening(right, 9000) as one, listening(right, 9001) as other:
        with tool("examples/xdp_firewall.py", "right", *rules, "--mode", mode, within=right) as running:
            running.attached()
            for source, port, count in (("10.1.1.1", 9000, 7), ("10.1.1.1", 9001, 5), ("10.9.0.5", 9000, 4)):
                inside(left, sent(source, port, count))
            assert (arrived(one), arrived(other)) == (["10.1.1.1"] * 7, [])
            told = table(running.end())
        inside(left, sent("10.9.0.5", 9001, 2))
        assert arrived(other) == ["10.9.0.5"] * 2, "nothing stays attached"
    size = 14 + 20 + 8 + 10
    assert told.pop("passed") >= (7, 7 * size), "ARP may pass too"
    assert told == {"10.9.0.0/16": (4, 4 * size), "udp:9001": (5, 5 * size), "tcp:9000": (0, 0)}


@pytest.mark.parametrize("mode", MODES)
def test_a_rate_limiter(wire: tuple[str, str], mode: str) -> None:
    left, right = wire
    limits = ("--rate", "0.01", "--burst", "5", "--mode", mode)
    with listening(right, 9002) as one, tool("examples/rate_limiter.py", "right", *limits, within=right) as running:
        running.attached()
        inside(left, sent("10.1.1.1", 9002, 20))
        inside(left, sent("10.9.0.5", 9002, 3))
        assert Counter(arrived(one)) == {"10.1.1.1": 5, "10.9.0.5": 3}
        assert table(running.end()) == {"10.1.1.1": (5, 15), "10.9.0.5": (3, 0)}


@pytest.mark.parametrize("mode", MODES)
def test_a_load_balancer(wire: tuple[str, str], mode: str) -> None:
    """Frames of five clients come back with the MAC addresses of servers, those of a client with the same one."""
    left, right = wire
    own = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")

    def raw() -> socket.socket:
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        one.bind(("left", 0x0800))
        one.settimeout(0.1)
        return one

    packets = [
        bytes(frames.ethernet(frames.ipv4(frames.tcp(sport=5000, dport=port), src=0x0A010010 + client, dst=SERVICE),
                              src=own[0], dst=own[1]))
        for _ in range(3) for client in range(5) for port in (80, 81)
    ]  # fmt: skip
    words = ("10.9.9.9:80", *MACS, "--mode", mode)
    # a veth takes frames that are sent back by XDP_TX only where it has a program itself (drivers/net/veth.c)
    passing = inside(left, lambda: passed.attach("left", mode=mode))
    with (
        passing,
        inside(left, raw) as line,
        tool("examples/load_balancer.py", "right", *words, within=right) as running,
    ):
        running.attached()
        for one in packets:
            line.send(one)
        back: list[bytes] = []
        end = time.monotonic() + SOON
        while len(back) < 15 and time.monotonic() < end:
            try:
                frame, (_, _, kind, *_) = line.recvfrom(2000)
            except TimeoutError:
                continue
            if kind != socket.PACKET_OUTGOING and frame[6:12] == own[1]:
                back.append(frame)
        time.sleep(0.5)  # Ctrl-C before it waits would end it without a word
        told = table(running.end())
    chosen = {(frame[26:30], frame[:6].hex(":")) for frame in back}
    assert len(back) == 15
    assert len(chosen) == 5, "a client's frames go to one server"
    assert Counter(mac for _, mac in chosen) == {MACS[0]: 2, MACS[1]: 2, MACS[2]: 1}
    assert all(struct.unpack_from(">H", frame, 36) == (80,) for frame in back)
    size = len(packets[0])
    assert told == {mac: (flows, 3 * flows, 3 * flows * size) for mac, flows in zip(MACS, (2, 2, 1), strict=True)}
