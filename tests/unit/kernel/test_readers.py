"""Readers over memory made here: what they give out of it, whoever asks, and what room they give back."""

from __future__ import annotations

import os
import struct
import threading
import time
import warnings
from dataclasses import dataclass
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import UsageError
from bpfvm.kernel.readers.perf import HEAD, LOST, RECORD, SAMPLE, TAIL, PerfBuffer
from bpfvm.kernel.readers.ring import BUSY, DISCARD, RingBuffer, stride
from bpfvm.kernel.readers.source import Lost, LostEvents, Source
from bpfvm.kernel.readers.span import FEWEST, MOST, Window
from bpfvm.kernel.readers.typed import decoder
from bpfvm.kernel.readers.waiting import SLICE, Waiter
from bpfvm.obj.values.shapes import Number

SIZE = 1 << 12
U64 = Number(8, False, "little")
SUBMITTED, GIVEN_UP, RESERVED = range(3)


@dataclass
class Made:
    """A buffer with records in it. payloads: of those that can be read, in order. end: where the kernel is."""

    buffer: RingBuffer | PerfBuffer
    payloads: list[bytes]
    end: int

    def source(self, kind: object = None) -> Source:
        return Source("m", 0, self.buffer, decoder("m", isinstance(self.buffer, PerfBuffer), kind, None))


def ring(records: list[tuple[int, int]], start: int) -> Made:
    """records: size and state."""
    half, at, readable, payloads = bytearray(SIZE), start, True, []
    for number, (size, state) in enumerate(records):
        if at + stride(size) - start > SIZE:
            break
        payload = bytes((number + one) % 251 for one in range(size))
        word = size | (0, DISCARD, BUSY)[state]
        for place, byte in enumerate(struct.pack("=II", word, 0) + payload):
            half[(at + place) % SIZE] = byte
        readable = readable and state != RESERVED
        if readable and state == SUBMITTED:
            payloads.append(payload)
        at += stride(size)
    consumer, producer = memoryview(bytearray(8)).cast("Q"), memoryview(bytearray(8)).cast("Q")
    consumer[0], producer[0] = start, at
    return Made(RingBuffer(consumer, producer, memoryview(half * 2)), payloads, at)


def perf(records: list[tuple[int, int]], start: int) -> Made:
    """records: size of a sample's payload in words of 8 bytes, and type; others have no payload that is read."""
    data, at, payloads = bytearray(SIZE), start, []
    for number, (words, kind) in enumerate(records):
        payload = bytes((number + one) % 251 for one in range(4 + 8 * words))
        if kind == SAMPLE:
            body = struct.pack("=I", len(payload)) + payload
        else:
            body = struct.pack("=QQ", 0, number)
        if at + 8 + len(body) - start > SIZE:
            break
        for place, byte in enumerate(RECORD.pack(kind, 0, 8 + len(body)) + body):
            data[(at + place) % SIZE] = byte
        if kind == SAMPLE:
            payloads.append(payload)
        at += 8 + len(body)
    control = memoryview(bytearray(4096)).cast("Q")
    control[TAIL], control[HEAD] = start, at
    return Made(PerfBuffer(control, memoryview(data)), payloads, at)


def taken(source: Source, found: list[int]) -> None:
    """All events that can be made, until one cannot."""
    while (values := source.values()) is not None:
        for value in values:
            found.append(value)


def in_blocks(source: Source, found: list[int]) -> None:
    while (blocks := source.blocks(True)) is not None:
        for block in blocks:
            found += block.tolist()


STARTS = st.integers(0, 3 * SIZE // 8).map(lambda one: 8 * one)
SIZES = st.one_of(st.just(24), st.integers(0, 100))
RINGS = st.builds(
    ring,
    st.lists(st.tuples(SIZES, st.sampled_from((SUBMITTED,) * 12 + (GIVEN_UP,) * 2 + (RESERVED,))), max_size=120),
    STARTS,
)
PERFS = st.builds(
    perf,
    st.lists(st.tuples(st.one_of(st.just(3), st.integers(0, 30)), st.sampled_from((SAMPLE,) * 12 + (LOST, 3))),
             max_size=120),
    STARTS,
)  # fmt: skip
MADE = st.one_of(RINGS, PERFS)


@given(MADE, st.lists(st.integers(0, 40), max_size=30))
def test_each_record_is_given_once_whatever_is_broken_off(made: Made, takes: list[int]) -> None:
    source = made.source()
    found: list[bytes] = []
    for take in takes:
        values = source.values()
        if values is None:
            break
        found += islice(values, take)
        if take % 3 == 0:
            source.settle()
    while (values := source.values()) is not None:
        found += values
    assert found == made.payloads
    source.settle()
    assert made.buffer.scan(1) is None
    assert made.buffer.ends[0] <= made.buffer.ends[1] == made.end


@given(MADE, st.integers(0, 60))
def test_room_is_given_back_up_to_what_was_taken(made: Made, take: int) -> None:
    source = made.source()
    found: list[bytes] = []
    while len(found) < take and (values := source.values()) is not None:
        found += islice(values, take - len(found))
    source.settle()
    again = Made(made.buffer, made.payloads[len(found) :], made.end).source()
    rest: list[bytes] = []
    while (values := again.values()) is not None:
        rest += values
    assert found + rest == made.payloads


@given(PERFS)
def test_lost_records_are_counted(made: Made) -> None:
    told: list[Lost] = []
    source = Source("m", 3, made.buffer, decoder("m", True, None, None), told.append)
    while (values := source.values()) is not None:
        list(values)
        source.tell()
    source.settle()
    source.tell()
    assert made.buffer.ends[0] == made.end
    assert sum(one.count for one in told) == (source.lost or 0)
    assert all(one.cpu == 3 and one.count > 0 for one in told)
    assert not told or told[-1].total == source.lost


def test_the_count_of_the_lost_is_that_of_the_records() -> None:
    made = perf([(1, SAMPLE), (0, LOST), (2, SAMPLE), (0, LOST), (0, 7), (2, SAMPLE)], SIZE - 24)
    source = made.source()
    found: list[bytes] = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        while (values := source.values()) is not None:
            found += values
            source.tell()
    assert [str(one.message).partition(";")[0] for one in told] == [
        "map m: 4 events found no room in the buffer of CPU 0 and are lost, 4 in all"
    ]
    assert {one.category for one in told} == {LostEvents}
    assert found == made.payloads
    assert source.lost == 1 + 3  # the counts in the records


@given(st.lists(st.integers(0, 3), min_size=1, max_size=300), st.integers(1, 400))
def test_a_window_sees_how_many_are_alike(words: list[int], most: int) -> None:
    window = Window()
    headers = memoryview(bytearray(4 * len(words))).cast("I")
    for at, word in enumerate(words):
        headers[at] = word
    alike = window.alike(headers, most)
    assert alike == next((at for at, word in enumerate(words) if word != words[0]), len(words))
    if alike < len(words):
        assert window.size == FEWEST
    elif len(words) >= FEWEST:
        assert window.size == min(2 * FEWEST, most)


def test_spans_grow_while_records_are_alike() -> None:
    made = ring([(8, SUBMITTED)] * 250, 0)
    spans = []
    while (batch := made.buffer.scan(MOST)) is not None:
        spans.append(batch.count)
        made.buffer.commit(batch.position(batch.count))
    assert spans[:4] == [8, 16, 32, 64]
    assert sum(spans) == len(made.payloads)


def test_a_reserved_record_holds_back_those_behind_it() -> None:
    made = ring([(8, SUBMITTED), (8, RESERVED), (8, SUBMITTED)], 0)
    source = made.source()
    assert list(source.values() or ()) == made.payloads[:1]
    assert source.values() is None
    data = made.buffer._data
    assert isinstance(made.buffer, RingBuffer)
    for at in (16, SIZE + 16):  # the kernel submits it
        data[at : at + 4] = struct.pack("=I", 8)
    assert len(list(source.values() or ())) == 2


def test_discarded_records_are_counted() -> None:
    made = ring([(8, GIVEN_UP), (16, SUBMITTED), (8, GIVEN_UP), (24, SUBMITTED), (8, GIVEN_UP)], 8)
    source = made.source()
    found: list[bytes] = []
    while (values := source.values()) is not None:
        found += values
    source.settle()
    assert found == made.payloads
    assert isinstance(made.buffer, RingBuffer)
    assert made.buffer.discarded == 3
    assert made.buffer.ends == (made.end, made.end)


@pytest.mark.parametrize("sizes", [[8, 12, 8], [8] * 20 + [12] * 20 + [8], [12] * 9])
def test_an_event_of_another_size_raises_in_its_turn(sizes: list[int]) -> None:
    made = ring([(size, SUBMITTED) for size in sizes], 0)
    source = made.source(U64)
    found: list[int] = []
    for _ in range(sizes.count(12)):
        with pytest.raises(
            UsageError, match=r"^map m: an event of 12 bytes, and the type has 8 bytes; for events of s"
        ):
            taken(source, found)
    taken(source, found)
    assert found == [int.from_bytes(one, "little") for one in made.payloads if len(one) == 8]


def test_perf_pads_and_types_know() -> None:
    made = perf([(1, SAMPLE)] * 3, 0)  # 12 bytes each: 5 to 12 of the program's
    assert list(made.source(U64).values() or ()) == [int.from_bytes(one[:8], "little") for one in made.payloads]
    made = perf([(2, SAMPLE)], 0)
    with pytest.raises(UsageError, match="an event of 20 bytes, and the type has 8 bytes, 12 with perf's padding"):
        list(made.source(U64).values() or ())


def test_a_function_that_raises_takes_its_event_alone() -> None:
    made = ring([(8, SUBMITTED)] * 40, 0)

    def third(data: bytes) -> int:
        if data[0] == 3:
            raise ValueError("three")
        return data[0]

    source = made.source(third)
    found: list[int] = []
    with pytest.raises(ValueError, match="three"):
        taken(source, found)
    assert found == [0, 1, 2]
    taken(source, found)
    assert found == [0, 1, 2, *range(4, 40)]


def test_blocks_are_of_all_records() -> None:
    sizes = [8] * 50 + [16] * 20 + [3, 5, 0] + [8] * 30
    made = ring([(size, SUBMITTED) for size in sizes], SIZE - 40)
    for copy in (True, False):
        again = ring([(size, SUBMITTED) for size in sizes], SIZE - 40)
        source = again.source()
        found: list[bytes] = []
        while (blocks := source.blocks(copy)) is not None:
            for block in blocks:
                assert block.flags.owndata or not copy or block.base is not None
                found += [one.tobytes() for one in block]
        assert found == made.payloads


def test_blocks_name_what_is_not_of_the_type() -> None:
    made = ring([(8, SUBMITTED)] * 9 + [(12, SUBMITTED)] * 10, 0)
    source = made.source(U64)
    found: list[int] = []
    with pytest.raises(UsageError, match=r"(an event|\d+ events) of 12 bytes, and the type has 8"):
        in_blocks(source, found)
    assert len(found) == 9
    with pytest.raises(UsageError, match="a function as type= makes one event at a time"):
        made.source(len).decoder.check_blocks()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (7, "type=7 is no type of events; give the name"),
        ("struct event", "type='struct event' names a type, and the object has no BTF"),
    ],
)
def test_types_that_are_none(kind: object, words: str) -> None:
    with pytest.raises(UsageError, match=f"^map m: {words}"):
        decoder("m", False, kind, None)


def test_closing_wakes_who_waits() -> None:
    read, write = os.pipe()
    waiter = Waiter([read])
    ended: list[bool] = []
    start = time.monotonic()

    def wait() -> None:
        while not ended:
            waiter.wait(None)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.02)
    ended.append(True)
    waiter.close()
    waiter.close()
    thread.join(10 * SLICE)
    assert not thread.is_alive()
    assert time.monotonic() - start < 5
    os.close(read)
    os.close(write)


def test_a_descriptor_that_hangs_up_is_forgotten() -> None:
    read, write = os.pipe()
    os.close(write)  # as the event of a CPU that went offline
    waiter = Waiter([read])
    for _ in range(3):
        assert waiter.wait(time.monotonic() + 0.01) in (True, False)
    assert not waiter.wait(time.monotonic() - 1)
    start = time.monotonic()
    waiter.wait(start + 0.05)
    assert time.monotonic() - start > 0.03  # nothing is ready any more
    waiter.close()
    os.close(read)


def test_what_is_ready_and_not_there_is_not_asked_for_all_the_time() -> None:
    read, write = os.pipe()
    os.write(write, b".")
    waiter, start, count = Waiter([read]), time.monotonic(), 0
    while waiter.wait(start + 0.1):
        count += 1
    assert count < 200
    waiter.found()
    assert waiter.pause() == 0
    waiter.close()
    os.close(read)
    os.close(write)
