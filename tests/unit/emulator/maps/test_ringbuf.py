"""Ring buffers and user ring buffers in the arena: room, order, layout, restoring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.ringbuf import BUSY, DISCARD, PAGES_BEFORE, RingBuffer
from bpfvm.emulator.maps.userring import UserRing
from bpfvm.emulator.memory import PAGE
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec


def system(kind: str, size: int = PAGE) -> System:
    return System(ObjectSpec({}, {"m": MapSpec("m", kind, 0, 0, size)}), ["m"])


def ring(size: int = PAGE) -> tuple[System, RingBuffer]:
    machine = system("ringbuf", size)
    store = machine.maps["m"]
    assert isinstance(store, RingBuffer)
    return machine, store


@pytest.mark.parametrize(("declared", "size"), [(1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE), (3 * PAGE, 4 * PAGE)])
def test_sizes_are_those_that_loaders_make(declared: int, size: int) -> None:
    assert ring(declared)[1].size == size


@pytest.mark.parametrize("declared", [0, 1 << 32])
@pytest.mark.parametrize("kind", ["ringbuf", "user_ringbuf"])
def test_sizes_that_cannot_be(kind: str, declared: int) -> None:
    with pytest.raises(LoadError, match="max_entries bytes, at least 1"):
        system(kind, declared)


def test_a_reader_finds_the_layout_of_the_kernel() -> None:
    machine, store = ring()
    first, second = store.reserve(5), store.reserve(9)
    assert second - first == 16
    memory = machine.arena.find(first)
    assert memory is not None
    words = memory.data[: 2 * PAGE].cast("Q")
    assert (words[0], words[PAGE // 8]) == (0, 40)
    header = int.from_bytes(memory.data[2 * PAGE : 2 * PAGE + 8], "little")
    assert header == 5 | BUSY | PAGES_BEFORE << 32
    store.commit(first, discard=True)
    assert int.from_bytes(memory.data[2 * PAGE : 2 * PAGE + 4], "little") == 5 | DISCARD


@given(st.lists(st.tuples(st.integers(0, 1500), st.sampled_from("sdok")), max_size=40))
def test_it_behaves_as_a_queue_with_room(steps: list[tuple[int, str]]) -> None:
    """Letters: submit and discard later, output at once, take out what is there."""
    _, store = ring()
    produced = consumed = missed = 0
    waiting: list[tuple[bytes, bool]] = []
    for number, (size, what) in enumerate(steps):
        data, whole = bytes([number]) * size, (size + 15) & ~7
        if what == "k":
            assert store.take() == ([record for record, kept in waiting if kept], missed)
            waiting, consumed, missed = [], produced, 0
            continue
        address = store.reserve(size)
        assert (address != 0) == (produced + whole - consumed < PAGE)
        missed += not address
        assert store.query(0) == produced - consumed + (whole if address else 0)
        if address:
            store.view[address : address + size] = data
            store.commit(address, discard=what == "d")
            waiting.append((data, what != "d"))
            produced += whole
    assert store.take()[0] == [record for record, kept in waiting if kept]


def test_what_is_reserved_holds_the_room_behind_it() -> None:
    _, store = ring()
    first = store.reserve(2000)
    assert store.output(bytes(2000)) == 0
    store._positions[0] = store._positions[PAGE // 8]  # a reader that is ahead of what it may read
    assert store.output(bytes(2000)) == -11
    store.commit(first, discard=False)
    assert store.output(bytes(2000)) == 0


def test_restoring_brings_reserved_records_back() -> None:
    machine, store = ring()
    record = store.record(store.reserve(8))
    snapshot = machine.snapshot()
    store.commit(record.base, discard=False)
    assert not record.live
    assert record.ended == "was submitted"
    machine.restore(snapshot)
    assert record.live
    assert store.query(0) == 16


def test_addresses_lead_to_the_record_around_them() -> None:
    machine, store = ring()
    first, second = store.record(store.reserve(8)), store.record(store.reserve(24))
    memory = machine.arena.find(first.base)
    assert memory is not None
    assert memory.within is not None
    assert memory.within(first.base + 7 - memory.base).region is first
    assert memory.within(second.base - memory.base).region is second
    store.commit(second.base, discard=True)
    assert memory.within(second.base - memory.base).region is memory
    assert not memory.readable


def test_messages_come_in_order_and_leave_when_taken() -> None:
    store = system("user_ringbuf").maps["m"]
    assert isinstance(store, UserRing)
    store.fill([(b"", b"one"), (b"", bytes(100)), (b"", b"")])
    assert store.entries() == [(b"", b"one"), (b"", bytes(100)), (b"", b"")]
    assert [size for _, size in store.messages()] == [3, 100, 0]
    assert store.entries() == []
    with pytest.raises(LoadError, match="takes 4104, and 4096 of 4096 are free"):
        store.fill([(b"", bytes(4096))])
    with pytest.raises(LoadError, match="a message is bytes under an empty key"):
        store.fill([(b"k", b"v")])
