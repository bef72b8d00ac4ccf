"""Records that programs put into ring buffers and perf event arrays, read from the memory shared with the kernel.

A reader empties its buffer: what it gave is not there any more. Layouts are those of include/uapi/linux/bpf.h (record
headers of ring buffers) and include/uapi/linux/perf_event.h (struct perf_event_mmap_page, struct perf_event_header).
Positions are read and written as whole 8-byte words, which is what makes them safe against the other side.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Protocol

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.kernel import perf
from bpfvm.kernel.elements import BYTE_ORDER, possible_cpus
from bpfvm.kernel.sys import MAP_UPDATE_ELEM, Fd, MapElement, address, bpf, error_name, error_text
from bpfvm.obj.model import MapSpec

PAGE = mmap.PAGESIZE
HEADER = 8  # bytes before each record: length and bits, page offset
BUSY, DISCARD = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
_LENGTH = DISCARD - 1


class Ring(Protocol):
    """What a reader needs of a map: kernel.maps.KernelMap."""

    spec: MapSpec
    entries: int
    fd: Fd


class Reader(Protocol):
    """Takes records out of one map."""

    def read(self) -> tuple[list[bytes], int]:
        """What stands there, oldest first, and how many more found no room since the last reading."""

    def close(self) -> None:
        """Let go of the shared memory; again does nothing."""


class RingReader:
    """Reads one BPF_MAP_TYPE_RINGBUF. A full one makes the helpers fail; the kernel does not count how often."""

    def __init__(self, one: Ring) -> None:
        """Raises Unavailable where the kernel does not share the memory."""
        name, self._mask = one.spec.name, one.entries - 1
        with ExitStack() as opened:
            self._mine = opened.enter_context(_shared(one.fd, name, PAGE, mmap.PROT_READ | mmap.PROT_WRITE, 0))
            theirs = opened.enter_context(_shared(one.fd, name, PAGE + 2 * one.entries, mmap.PROT_READ, PAGE))
            self._data = memoryview(theirs)[PAGE:]
            self._consumer, self._producer = memoryview(self._mine).cast("Q"), memoryview(theirs)[:PAGE].cast("Q")
            self._opened = opened.pop_all()

    def read(self) -> tuple[list[bytes], int]:
        """Submitted records up to the first that is not yet; discarded ones are passed over."""
        found = []
        at, end = self._consumer[0], self._producer[0]
        while at < end:
            start = at & self._mask
            word = int.from_bytes(self._data[start : start + 4], BYTE_ORDER)
            if word & BUSY:
                break
            size = word & _LENGTH
            if not word & DISCARD:
                found.append(bytes(self._data[start + HEADER : start + HEADER + size]))
            at += (size + HEADER + 7) & ~7
            self._consumer[0] = at
        return found, 0

    def close(self) -> None:
        for view in (self._consumer, self._producer, self._data):
            view.release()
        self._opened.close()


class PerfReader:
    """Reads a BPF_MAP_TYPE_PERF_EVENT_ARRAY: an event on each CPU, put into the map under the CPU's number."""

    def __init__(self, one: Ring) -> None:
        """Raises Unavailable where perf_event_open(2) is not allowed."""
        with ExitStack() as opened:
            self._events: list[perf.Event] = []
            self._lost = 0
            for cpu in range(min(one.entries, possible_cpus())):
                event = perf.Event.open(cpu)
                if event is None:  # the CPU is not online
                    continue
                opened.callback(event.close)
                self._events.append(event)
                key, value = cpu.to_bytes(4, BYTE_ORDER), event.fd.number.to_bytes(4, BYTE_ORDER)
                _put(one.fd, key, value, one.spec.name)
            self._opened = opened.pop_all()

    def read(self) -> tuple[list[bytes], int]:
        """Samples by CPU, those of one in order."""
        found = [record for event in self._events for record in event.read()]
        lost, self._lost = self._lost, sum(event.lost for event in self._events)
        return found, self._lost - lost

    def close(self) -> None:
        self._opened.close()


def send(fd: Fd, name: str, size: int, entries: Entries) -> None:
    """Put each value as a message into a BPF_MAP_TYPE_USER_RINGBUF of `size` bytes, for a program to drain.

    Raises UsageError for what is no message and where there is no room for one, Unavailable where the kernel does not
    share the memory.
    """
    with (
        _shared(fd, name, PAGE, mmap.PROT_READ, 0) as theirs,
        _shared(fd, name, PAGE + 2 * size, mmap.PROT_READ | mmap.PROT_WRITE, PAGE) as mine,
        memoryview(theirs).cast("Q") as consumer,
        memoryview(mine)[:PAGE].cast("Q") as producer,
        memoryview(mine)[PAGE:] as data,
    ):
        for key, message in entries:
            if key or not isinstance(message, bytes):
                raise UsageError(f"map {name}: a message is bytes under an empty key")
            end, whole = producer[0], (len(message) + HEADER + 7) & ~7
            free = size - (end - consumer[0])
            if whole > free:
                raise UsageError(
                    f"map {name}: a message of {len(message)} bytes takes {whole}, and {free} of {size} are free"
                )
            at = end & (size - 1)
            data[at + HEADER : at + HEADER + len(message)] = message
            data[at : at + HEADER] = len(message).to_bytes(HEADER, BYTE_ORDER)
            producer[0] = end + whole


def waiting(fd: Fd, name: str, size: int) -> Entries:
    """The messages in a BPF_MAP_TYPE_USER_RINGBUF that no program took yet, oldest first."""
    found: Entries = []
    with (
        _shared(fd, name, PAGE, mmap.PROT_READ, 0) as theirs,
        _shared(fd, name, PAGE + 2 * size, mmap.PROT_READ, PAGE) as mine,
        memoryview(theirs).cast("Q") as consumer,
        memoryview(mine) as memory,
    ):
        at, end = consumer[0], int.from_bytes(memory[:8], BYTE_ORDER)
        while at < end:
            start = PAGE + (at & (size - 1))
            length = int.from_bytes(memory[start : start + 4], BYTE_ORDER) & _LENGTH
            found.append((b"", bytes(memory[start + HEADER : start + HEADER + length])))
            at += (length + HEADER + 7) & ~7
    return found


class Events:
    """The readers of all such maps that a program uses, by name."""

    def __init__(self, maps: Mapping[str, Ring]) -> None:
        self._readers: dict[str, Reader] = {}
        try:
            for name, one in maps.items():
                if one.spec.type == "ringbuf":
                    self._readers[name] = RingReader(one)
                elif one.spec.type == "perf_event_array":
                    self._readers[name] = PerfReader(one)
        except BaseException:
            self.close()
            raise

    def read(self) -> tuple[dict[str, tuple[bytes, ...]], dict[str, int]]:
        """Records by map, and how many more each lost since the last reading; maps without any are left out."""
        events: dict[str, tuple[bytes, ...]] = {}
        missed: dict[str, int] = {}
        for name, reader in self._readers.items():
            found, lost = reader.read()
            if found:
                events[name] = tuple(found)
            if lost:
                missed[name] = lost
        return events, missed

    def close(self) -> None:
        """Close every reader; again does nothing."""
        readers, self._readers = self._readers, {}
        for one in readers.values():
            one.close()


def _shared(fd: Fd, name: str, size: int, access: int, offset: int) -> mmap.mmap:
    try:
        return mmap.mmap(fd.number, size, mmap.MAP_SHARED, access, offset=offset)
    except OSError as error:
        number = error.errno or 0
        raise Unavailable(
            f"map {name}: its memory cannot be mapped: {error_text(number)} ({error_name(number)})"
        ) from None


def _put(fd: Fd, key: bytes, value: bytes, name: str) -> None:
    try:
        bpf(MAP_UPDATE_ELEM, MapElement(map_fd=fd.number, key=address(key), value=address(value)))
    except OSError as error:
        number = error.errno or 0
        raise Unavailable(
            f"map {name}: the kernel does not take a perf event: {error_text(number)} ({error_name(number)})"
        ) from None
