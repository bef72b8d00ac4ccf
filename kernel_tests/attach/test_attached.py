"""Python functions attached: by programs, by decorators with targets, by the original's call forms; maps are shared."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from bpfvm import XDP_PASS, Array, bpf, pid, pkt, u64
from bpfvm.core.errors import UsageError
from kernel_tests.networks import inside, pair, send

hits = Array(u64, 256)
sizes = Array(u64, 4)


@bpf.xdp
def count(ctx: Any) -> int:
    hits[pkt.ip.proto] += 1
    return XDP_PASS


@bpf.xdp
def measure(ctx: Any) -> int:
    sizes[0] += len(pkt)
    hits[255] += 1
    return XDP_PASS


@bpf.uprobe("c:getpgid")
def called() -> None:
    hits[7] += 1


@pytest.fixture(scope="module")
def wire() -> Iterator[tuple[str, str]]:
    with pair() as made:
        yield made


def test_a_program(wire: tuple[str, str]) -> None:
    left, right = wire
    with inside(right, lambda: count.attach("right", mode="generic")) as on:
        send(left, 5)
        assert on.maps["hits"][17] == 5
        assert "xdp generic of right" in repr(on)
    send(left, 1)


def test_programs_share_their_maps(wire: tuple[str, str]) -> None:
    left, right = wire
    with inside(right, lambda: bpf.attach(called)) as on:
        for _ in range(3):
            os.getpgid(0)
        assert on.maps["hits"][7] >= 3
    with bpf.attach(called) as on, inside(right, lambda: count.attach("right")) as other:
        send(left, 2)
        assert other.maps["hits"][17] == 2
        assert on.maps["hits"][17] == 2, "attached apart, they share what both use"


def test_the_original_call_form(wire: tuple[str, str]) -> None:
    left, right = wire

    def act() -> Any:
        return bpf.socket("right", lambda skb: hits.add(pkt.ip.proto, 1))

    with inside(right, act) as on:
        send(left, 4)
        found = dict(on.maps["hits"].items())
        assert found[17] == 4
        assert sum(found.values()) >= 4


def test_a_socket_and_its_descriptor() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        with bpf.socket(one, lambda skb: 2000) as on:
            one.sendto(b"abc", one.getsockname())
            assert one.recv(9) == b"abc"
        assert on.links[0].closed
        with bpf.socket(one.fileno(), lambda skb: 2000):
            one.sendto(b"abc", one.getsockname())
            assert one.recv(9) == b"abc"


def test_nothing_is_attached_by_mistake() -> None:
    with pytest.raises(UsageError, match=r"bpf.attach\(\) takes programs"):
        bpf.attach()
    with pytest.raises(UsageError, match="say what to attach to"):
        bpf.attach(count)


OWN = os.getpid()
entered = Array(u64, 2)


@bpf.syscall("getpgid", "getsid")
def asked() -> None:
    if pid() == OWN:
        entered[0] += 1


@bpf.tp_btf("sys_enter", "sys_exit")
def typed() -> None:
    if pid() == OWN:
        entered[1] += 1


@bpf.uprobe("c:getpgid", "c:getpgrp")
def probed() -> None:
    if pid() == OWN:
        entered[0] += 1


def _asks() -> None:
    for _ in range(3):
        os.getpgid(0)
        os.getsid(0)


def test_a_program_for_several_targets() -> None:
    """One function, loaded and attached once for each target; all of them share the maps."""
    with asked.attach() as on:
        _asks()
        assert on.maps["entered"][0] == 6
        assert [one.where for one in on.links] == [
            ("tracepoint syscalls:sys_enter_getpgid",),
            ("tracepoint syscalls:sys_enter_getsid",),
        ]
    with typed.attach() as on:
        _asks()
        assert on.maps["entered"][1] >= 12
        assert len(on.links) == 2
    with bpf.attach(probed, asked) as on:
        _asks()
        os.getpgrp()
        assert on.maps["entered"][0] == 10
        assert len(on.links) == 4
