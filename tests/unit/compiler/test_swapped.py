# mypy: disable-error-code="valid-type, call-arg, misc, type-arg, arg-type, assignment"
"""Bytes that are stored one after the other, on every machine: names of bytes are no copies, and copies are."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import XDP_TX, Program, bpf, pkt, struct, u8
from bpfvm.testing.frames import ethernet, ipv4, udp

FRAME = bytes(ethernet(ipv4(udp(b"hello"))))
DST, SRC = FRAME[:6], FRAME[6:12]


@struct
class Link:
    first: u8[6]
    second: u8[6]


@bpf.xdp
def shown(ctx: Any) -> int:
    pkt.eth.dst, pkt.eth.src = pkt.eth.src, pkt.eth.dst
    return XDP_TX


@bpf.xdp
def copied(ctx: Any) -> int:
    pkt.eth.dst, pkt.eth.src = pkt.eth.src, pkt.eth.dst.copy()
    return XDP_TX


@bpf.xdp
def named(ctx: Any) -> int:
    before, kept = pkt.eth.dst, pkt.eth.dst.copy()
    pkt.eth.dst = pkt.eth.src
    if len(pkt) > 20:
        pkt.eth.src = kept
    else:
        pkt.eth.src = before
    return XDP_TX


@bpf.xdp
def inside(ctx: Any) -> int:
    link = Link(first=pkt.eth.dst, second=pkt.eth.src)
    (link.first, link.second), number = (link.second, link.first), 3
    pkt.eth.dst, pkt.eth.src = link.first, link.second
    return number


@pytest.mark.parametrize(("program", "want"), [(shown, SRC + SRC), (copied, SRC + DST), (named, SRC + DST),
                                               (inside, SRC + SRC)])  # fmt: skip
def test_machines_agree(program: Program, want: bytes) -> None:
    outcome = program.check(FRAME)
    assert outcome.packet is not None
    assert (outcome.value, outcome.packet[:12]) == (XDP_TX, want)
