"""Whether a capture is mapped or read: both are tried, and what is told of them decides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bpfvm.emulator.memory import Arena
from bpfvm.emulator.native.captures.buffer import CLEAR, GAIN, ROOM, TRIALS, Buffer
from bpfvm.emulator.native.captures.words import Walk
from bpfvm.obj.captures.pcap import MAX_PACKET
from bpfvm.obj.captures.pcapng import LEAST_ENHANCED

LEAST = 1000


@pytest.fixture
def buffer() -> Iterator[Buffer]:
    arena = Arena()
    yield Buffer(arena, LEAST)
    arena.close()


def tried(buffer: Buffer, mapped: float, read: float, size: int = LEAST) -> list[bool]:
    """Which parts were read until that was decided, or a dozen of them."""
    found: list[bool] = []
    while not buffer.decided and len(found) < 12:
        found.append(buffer.reads)
        buffer.took((read if buffer.reads else mapped) * size, size)
    return found


@pytest.mark.parametrize(
    ("mapped", "read", "reads"),
    [(1, 2, False), (1, 1, False), (GAIN, 1.01, False), (GAIN, 0.99, True), (CLEAR, 1.01, True)],
)
def test_both_ways_in_turn_and_then_the_faster_one(mapped: float, read: float, reads: bool, buffer: Buffer) -> None:
    assert tried(buffer, mapped, read) == [False, True] * TRIALS
    assert buffer.reads is reads
    buffer.took(1e9, LEAST)
    assert buffer.reads is reads, "it stays like that"


def test_once_each_where_that_is_clear(buffer: Buffer) -> None:
    assert tried(buffer, CLEAR, 0.99) == [False, True]
    assert buffer.reads


def test_small_parts_tell_nothing_and_are_mapped(buffer: Buffer) -> None:
    assert tried(buffer, CLEAR, 0.1, LEAST - 1) == [False] * 12


def test_what_a_loop_is_told(buffer: Buffer) -> None:
    walk = Walk()
    buffer.take(walk, 7, 100, 5000)
    assert (walk.file, walk.reached, walk.size, walk.room) == (7, 100, 5000, ROOM)
    assert walk.at == walk.end == buffer.base
    assert walk.pread


def test_the_largest_record_fits() -> None:
    assert ROOM >= MAX_PACKET + LEAST_ENHANCED + 4
