"""Readers of events: what programs sent is given once, in order, however it is asked for, and losses are counted."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import UsageError
from bpfvm.kernel.host.sizes import possible_cpus
from bpfvm.kernel.readers import Lost, LostEvents, PerfReader, Reader, Readers, RingReader, open_reader
from bpfvm.obj.values.shapes import Raw
from kernel_tests.readers.sending import TYPES, OnCpu, Sender

WAYS = ("ring", "ring, nobody woken", "perf")
COUNT = 300


@pytest.fixture(params=WAYS)
def sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    with Sender(request.param) as one, OnCpu(0):
        yield one


def opened(sender: Sender, kind: Any = "struct event", **options: Any) -> Reader:
    return open_reader(sender.map, TYPES, kind, **options)


def numbers(events: Any) -> list[int]:
    return [one.ts for one in events]


def test_for(sender: Sender) -> None:
    with opened(sender, timeout=0) as reader:
        for start in (0, COUNT, 2 * COUNT):
            sender.send(COUNT)
            events = list(reader)
            assert numbers(events) == list(range(start + 1, start + COUNT + 1))
            assert {(one.pid, one.uid, one.comm) for one in events} == {(7, 7, "python3")}
            assert {tuple(one.args) for one in events} == {struct.unpack("=7Q", bytes(range(56)))}
        assert reader.lost in (0, None)
    assert sender.sent == (3 * COUNT, 0)


def test_events_stay_what_they_are(sender: Sender) -> None:
    with opened(sender, timeout=0) as reader:
        sender.send(100)
        kept = list(reader)
        for _ in range(30):  # over the whole buffer and on
            sender.send(COUNT)
            assert len(list(reader)) == COUNT
    gc.collect()
    assert numbers(kept) == list(range(1, 101))


def test_break_and_go_on(sender: Sender) -> None:
    found: list[int] = []
    with opened(sender, timeout=0) as reader:
        sender.send(COUNT)
        while len(found) < COUNT:
            before = len(found)
            for at, event in enumerate(reader):
                found.append(event.ts)
                if at == 10:
                    break
            assert len(found) > before
        first, second = iter(reader), iter(reader)
        sender.send(40)
        for _ in range(20):
            found += [next(first).ts, next(second).ts]
        assert list(reader) == []
    assert found == list(range(1, COUNT + 41))


def test_lists(sender: Sender) -> None:
    with opened(sender) as reader:
        assert reader.read() == []
        start = time.monotonic()
        assert reader.poll(0.15) == []
        assert 0.1 < time.monotonic() - start < 2
        sender.send(COUNT)
        assert numbers(reader.poll(5)) == list(range(1, COUNT + 1))
        sender.send(5)
        assert next(iter(reader)).ts == COUNT + 1
        assert numbers(reader.read()) == list(range(COUNT + 2, COUNT + 6))
        assert reader.read() == []


@pytest.mark.parametrize("copy", [True, False])
def test_blocks(sender: Sender, copy: bool) -> None:
    total = 0
    with opened(sender, timeout=0) as reader:
        for _ in range(12):  # over the end of the buffer
            sender.send(COUNT)
            for block in reader.blocks(copy=copy):
                assert block["ts"].tolist() == list(range(total + 1, total + 1 + len(block)))
                assert set(block["comm"].tolist()) == {b"python3"}
                assert block["args"].shape == (len(block), 7)
                total += len(block)
    assert total == 12 * COUNT


def test_views_are_of_the_shared_memory() -> None:
    with Sender("ring", 1 << 12) as sender, opened(sender, timeout=0) as reader:
        sender.send(1)
        (view,) = reader.blocks(copy=False)
        (copy,) = [view.copy()]
        assert not view.flags.writeable
        for _ in range(50):
            sender.send(1)
            list(reader)
        assert copy["ts"][0] == 1
        assert view["ts"][0] != 1
        reader.close()
        assert view["ts"][0]  # still mapped


def test_blocks_of_bytes(sender: Sender) -> None:
    with opened(sender, None, timeout=0) as reader:
        for size in (88, 96, 3, 0):
            sender.count(0, size)
            sender.send(20)
        found = [one.tobytes() for block in reader.blocks() for one in block]
    assert len(found) == 80
    assert [len(one) for one in found] == [
        size if "ring" in type(reader).__name__.lower() else (size + 11) // 8 * 8 - 4 for size in (88, 96, 3, 0)
        for _ in range(20)
    ]  # fmt: skip


def test_mixed_sizes_as_bytes(sender: Sender) -> None:
    sizes = [8, 40, 41, 200, 3, 88, 0, 17] * 20
    with opened(sender, None, timeout=0) as reader:
        found: list[bytes] = []
        for at, size in enumerate(sizes):
            sender.count(at, size)
            sender.send()
            if at % 50 == 49:
                found += list(reader)
        found += reader.read()
    assert len(found) == len(sizes)
    for at, (event, size) in enumerate(zip(found, sizes, strict=True)):
        assert size <= len(event) < size + 8
        assert event[:size] == ((at + 1).to_bytes(8, "little") + sender.payload[8:]).ljust(200, b"\0")[:size]


def test_functions_shapes_and_names(sender: Sender) -> None:
    kinds: list[tuple[Any, Callable[[Any], int]]] = [
        (lambda data: struct.unpack_from("=Q", data)[0], lambda one: one),
        ("event", lambda one: one.ts),
        (Raw(88), lambda one: int.from_bytes(one[:8], "little")),
        (None, lambda one: int.from_bytes(one[:8], "little")),
    ]
    for kind, number in kinds:
        sender.count(0)
        with opened(sender, kind, timeout=0) as reader:
            sender.send(COUNT)
            assert [number(one) for one in reader] == list(range(1, COUNT + 1))
    with pytest.raises(UsageError, match=r"^map events: the object's BTF has no type 'struct evnt'$"):
        opened(sender, "struct evnt")


def test_another_size_is_named_and_the_rest_goes_on(sender: Sender) -> None:
    with opened(sender, timeout=0) as reader:
        sender.send(3)
        sender.count(3, 80)
        sender.send(2)
        sender.count(5)
        sender.send(3)
        assert numbers(reader.read()) == [1, 2, 3]
        for _ in range(2):
            with pytest.raises(UsageError, match=r"^map events: an event of 8[04] bytes, and the type has 88 bytes"):
                reader.read()
        assert numbers(reader.read()) == [6, 7, 8]


def test_it_waits_for_what_comes(sender: Sender) -> None:
    """A thread sends while this one waits; also what wakes nobody is found."""

    def send() -> None:
        os.sched_setaffinity(threading.get_native_id(), {0})
        for _ in range(5):
            time.sleep(0.03)
            sender.send(COUNT // 5)

    with opened(sender, timeout=1.0) as reader:
        thread = threading.Thread(target=send)
        thread.start()
        assert numbers(reader) == list(range(1, COUNT + 1))
        thread.join()


def test_closing_ends_a_wait_in_another_thread(sender: Sender) -> None:
    reader = opened(sender)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(one.ts for one in reader))
    thread.start()
    sender.send(7)
    time.sleep(0.3)
    start = time.monotonic()
    reader.close()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - start < 1
    assert found == list(range(1, 8))


def test_closing_in_the_middle_leaves_the_rest() -> None:
    with Sender("ring") as sender:
        sender.send(COUNT)
        found = []
        for _ in range(3):
            with opened(sender, timeout=0) as reader:
                for event in reader:
                    found.append(event.ts)
                    if len(found) % 70 == 0:
                        reader.close()
        with opened(sender, timeout=0) as reader:
            found += numbers(reader)
    assert found == list(range(1, COUNT + 1))


def test_async_for(sender: Sender) -> None:
    async def collect(reader: Reader, found: list[int]) -> None:
        async for event in reader:
            found.append(event.ts)

    async def both() -> list[int]:
        found: list[int] = []
        with opened(sender) as reader:
            task = asyncio.create_task(collect(reader, found))
            for _ in range(4):
                await asyncio.sleep(0.02)
                sender.send(50)
            deadline = time.monotonic() + 5
            while len(found) < 200 and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            reader.close()
            await asyncio.wait_for(task, 5)
        with opened(sender, timeout=0.05) as reader:  # ends by itself
            sender.send(10)
            await collect(reader, found)
        with opened(sender) as reader:  # and when it is cancelled
            task = asyncio.create_task(collect(reader, found))
            await asyncio.sleep(0.02)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            sender.send(10)
            found += numbers(reader.read())
        return found

    assert asyncio.run(both()) == list(range(1, 221))


@pytest.mark.parametrize("way", ["ring", "perf"])
def test_select(way: str) -> None:
    with Sender(way) as sender, OnCpu(0), opened(sender) as reader:
        assert select.select([reader], [], [], 0)[0] == []
        for start in range(0, 50, 5):
            sender.send(5)
            assert select.select([reader], [], [], 5)[0] == [reader]
            assert numbers(reader.read()) == list(range(start + 1, start + 6))
        assert select.select([reader], [], [], 0)[0] == []


def test_all_cpus() -> None:
    with Sender("perf") as sender, opened(sender, timeout=0) as reader:
        for cpu in range(possible_cpus()):
            with OnCpu(cpu):
                sender.count(1000 * cpu)
                sender.send(COUNT)
        found = numbers(reader)
    assert sorted(found) == [1000 * cpu + at for cpu in range(possible_cpus()) for at in range(1, COUNT + 1)]
    for cpu in range(possible_cpus()):
        ours = [one for one in found if one // 1000 == cpu]
        assert ours == sorted(ours)


@pytest.mark.parametrize("mode", ["warned", "told"])
def test_losses_are_counted(mode: str) -> None:
    told: list[Lost] = []
    options: dict[str, Any] = {"on_lost": told.append} if mode == "told" else {}
    with Sender("perf") as sender, OnCpu(0), opened(sender, pages=1, timeout=0, **options) as reader:
        found = 0
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for _ in range(20):
                sender.send(70)  # some 39 have room
                found += len(list(reader))
            reader.close()
        went, failed = sender.sent
        print(f"{found} events, {reader.lost} lost of {went + failed}")
        assert went == found
        assert reader.lost == failed == 20 * 70 - found > 0
    if mode == "told":
        assert not warned
        assert sum(one.count for one in told) == told[-1].total == failed
        assert {(one.map, one.cpu) for one in told} == {("events", 0)}
    else:
        assert {one.category for one in warned} == {LostEvents}
        assert f"{failed} in all" in str(warned[-1].message)


def test_a_full_ring_fails_the_program_and_goes_on() -> None:
    with Sender("ring", 1 << 12) as sender, opened(sender, timeout=0) as reader:
        sender.send(100)
        went, failed = sender.sent
        assert failed == 100 - went > 0
        assert reader.lost is None
        assert numbers(reader) == list(range(1, went + 1))
        sender.send()
        assert numbers(reader) == [101]


def test_discarded_records() -> None:
    with Sender("ring, every other") as sender, opened(sender, timeout=0) as reader:
        assert isinstance(reader, RingReader)
        for _ in range(5):
            sender.send(COUNT)
            assert len(list(reader)) == COUNT // 2
        assert reader.discarded == 5 * COUNT // 2


def test_wakeups_after_several_events() -> None:
    with Sender("perf") as sender, OnCpu(0), opened(sender, wakeup=100) as reader:
        sender.send(5)
        start = time.monotonic()
        assert numbers(reader.poll(5)) == [1, 2, 3, 4, 5]
        assert time.monotonic() - start < 2


def test_several_readers() -> None:
    with (
        Sender("ring", name="first") as first,
        Sender("perf", name="second") as second,
        OnCpu(0),
        Readers(opened(first), opened(second, None), timeout=0) as readers,
    ):
        first.send(20)
        second.send(30)
        found = list(readers)
        assert [event.ts for name, event in found if name == "first"] == list(range(1, 21))
        assert len([event for name, event in found if name == "second"]) == 30
        assert readers.lost == 0
        second.send()
        assert select.select([readers], [], [], 5)[0] == [readers]
        assert [name for name, _ in readers.poll(1)] == ["second"]
        with pytest.raises(UsageError, match="would not say which map"):
            readers.blocks()
    with pytest.raises(UsageError, match="no readers were given"):
        Readers()


def test_a_closed_reader_says_so(sender: Sender) -> None:
    reader = opened(sender)
    reader.close()
    reader.close()
    asks: list[Callable[[], object]] = [
        reader.read, reader.fileno, reader.blocks, lambda: reader.poll(0), lambda: iter(reader), lambda: aiter(reader),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(UsageError, match=r"^the reader of events is closed; open another one$"):
            ask()


def test_errors() -> None:
    with Sender("ring") as ring, Sender("perf") as perf:
        cases: list[tuple[Callable[[], object], str]] = [
            (lambda: PerfReader(ring.map), "map events is a ringbuf, and this reader reads a perf_event_array"),
            (lambda: RingReader(perf.map), "map events is a perf_event_array, and this reader reads a ringbuf"),
            (lambda: open_reader(ring._data, None), "map data is an array, and events come in a ringbuf or a perf"),
            (lambda: PerfReader(perf.map, pages=3), "pages=3 of a perf buffer; they are a power of two"),
            (lambda: PerfReader(perf.map, wakeup=0), "wakeup=0 events; it is 1 or more"),
            (lambda: RingReader(ring.map, timeout=-1), "timeout=-1: it is a number of seconds, 0 or more"),
            (lambda: RingReader(ring.map, "struct event"), "names a type, and the object has no BTF"),
        ]
        for make, words in cases:
            with pytest.raises(UsageError, match=words):
                make()
        with opened(ring, len, timeout=0) as reader, pytest.raises(UsageError, match="blocks need a type"):
            reader.blocks()


def test_nothing_is_left_open() -> None:
    def state() -> tuple[int, int]:
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        return len(os.listdir("/proc/self/fd")), maps.count("bpf-map") + maps.count("perf_event")

    with Sender("ring") as ring, Sender("perf") as perf, OnCpu(0):
        before = state()
        for at in range(60):
            for sender in (ring, perf):
                reader = opened(sender, timeout=0)
                sender.send(3)
                if at % 2:
                    next(iter(reader))
                reader.close()
            assert at % 20 or state() == before, at
        assert state() == before
        perf.count(0)
        perf.send()
        assert perf.sent == (0, 1)  # no event is left in the map
