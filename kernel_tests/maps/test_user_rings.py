"""Rings that user space writes, declared in Python: messages from the start, by a session, beside attached programs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bpfvm import UsageError, UserRing, bpf, session, u64
from bpfvm.lang.faults import MapError
from tests.contract.user_ring import Job, sums, taken

pytestmark = pytest.mark.needs("user_ringbuf")


jobs = UserRing(Job, 4096, contents=[Job(id=1, size=2), Job(id=5)])
calls = UserRing(Job, 4096)


@bpf.xdp
def drains(ctx: Any) -> int:
    return jobs.drain(taken)


@bpf.uprobe("c:getpgid")
def called() -> None:
    sums[2] = u64(calls.drain(taken))


def test_the_kernel_agrees() -> None:
    found = drains.check(bytes(64))
    assert (found.value, found.maps["sums"], "kernel" in found.engines) == (2, {0: 6, 1: 2, 2: 0}, True)
    found = drains.check(bytes(64), maps={"jobs": [Job(id=9)]})
    assert found.value == 3


def test_messages_of_a_session() -> None:
    with session(drains, "kernel") as runs:
        assert runs.run(bytes(64)).value == 2
        for number in range(3):
            runs.map("jobs").push(Job(id=number, size=1))
        assert runs.run(bytes(64)).value == 3
        for _ in range(4096 // 16):
            runs.map("jobs").push(bytes(8))
        with pytest.raises(UsageError, match="map jobs: no room for this message; run a program"):
            runs.map("jobs").push(b"")
        assert runs.run(bytes(64)).value == 256


def test_messages_while_attached() -> None:
    with called.attach():
        calls.submit(Job(id=7, size=1))
        calls.submit(b"\1" + bytes(7))
        os.getpgid(0)
        assert (sums[0], sums[1], sums[2]) == (8, 1, 2)
        for _ in range(256):
            calls.submit(Job())
        with pytest.raises(MapError, match="calls has no room for this message"):
            calls.submit(Job())
    with pytest.raises(UsageError, match="its last contents can only be read"):
        calls.submit(Job())
