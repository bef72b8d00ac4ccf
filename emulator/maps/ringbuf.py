"""BPF_MAP_TYPE_RINGBUF: records for user space, in the kernel's own layout, so that a reader finds what it knows.

    page 0         u64 consumer position
    page 1         u64 producer position | u64 position of the oldest record that is still reserved
    from page 2    data, `size` bytes, and as many again for a record that runs over the end

Positions count bytes from the beginning of time; a record lies at its position modulo the size. It has 8 bytes before
it and is padded to 8: u32 length, with bit 31 while it is reserved and bit 30 when it is discarded; u32 the page that
the header is in, counted from the kernel's own page before page 0 (include/uapi/linux/bpf.h, measured on 6.18).

The kernel maps the data twice, one copy behind the other. Here the second half is memory of its own: a record is only
ever reached by its start, so nobody can tell. A run's records are taken out at its end, as a reader beside it would.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.store import Store
from bpfvm.emulator.memory import PAGE, Pointer, Region
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

HEADER = 8
BUSY, DISCARD = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
LENGTH = DISCARD - 1
NO_WAKEUP, FORCE_WAKEUP = 1, 2  # BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP: nobody sleeps here
LARGEST = (1 << 30) - 1  # bytes of a record (RINGBUF_MAX_RECORD_SZ)
PAGES_BEFORE = 3  # pages of the kernel's object before the data
POSITIONS = 2 * PAGE
_CONSUMER, _PRODUCER, _PENDING = 0, PAGE // 8, PAGE // 8 + 1  # words of 8 bytes


def whole(size: int) -> int:
    """Bytes that a record of `size` takes."""
    return (size + HEADER + 7) & ~7


def ring_size(spec: MapSpec) -> int:
    """Bytes of data: what is declared, rounded up to a power of two of whole pages, as loaders do."""
    if not 0 < spec.max_entries < 1 << 32:
        raise LoadError(f"map {spec.name}: {an(spec.type)} has max_entries bytes, at least 1, not {spec.max_entries}")
    return max(PAGE, 1 << (spec.max_entries - 1).bit_length())


class RingBuffer(Store):
    """One ring buffer. size: bytes of data.

    base: guest address of the data. consumer_at, producer_at, pending_at: those of the positions.
    """

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self.size = ring_size(spec)
        memory = system.arena.allocate(f"{spec.name} records", POSITIONS + 2 * self.size, "map", False, False)
        memory.within = self._within
        self._memory, self._positions = memory, memory.data[:POSITIONS].cast("Q")
        self.base = memory.base + POSITIONS
        self.consumer_at, self.producer_at, self.pending_at = (
            memory.base + 8 * place for place in (_CONSUMER, _PRODUCER, _PENDING)
        )
        self._records: dict[int, Region] = {}  # by address, those that are reserved
        self._past: dict[int, Region] = {}  # by address, the last that was given back there
        self._missed = 0  # records of this run that found no room
        system.sources.append(self)

    def reserve(self, size: int) -> int:
        """The address of a new record, or 0 where there is no room for it."""
        address = self._reserve(size)
        self._missed += not address
        return address

    def _reserve(self, size: int) -> int:
        length, positions = whole(size), self._positions
        if size > LARGEST or length > self.size:
            return 0
        start = positions[_PRODUCER]
        end, pending = start + length, self._oldest()
        if end - positions[_CONSUMER] >= self.size or end - pending >= self.size:
            return 0
        at = start & self.size - 1
        page = PAGES_BEFORE + at // PAGE
        self.view[self.base + at : self.base + at + HEADER] = (size | BUSY | page << 32).to_bytes(HEADER, "little")
        positions[_PRODUCER] = end
        return self.base + at + HEADER

    def record(self, address: int) -> Region:
        """The region of the record that was just reserved at `address`; what it holds counts as never written."""
        size = self._word(address) & LENGTH
        region = self._records[address] = self._region(address, size)
        return region

    @property
    def reserved(self) -> dict[int, Region]:
        """By address, the records that are."""
        return self._records

    def owes(self, address: int) -> str:
        """A reserved record that a program has to give back, in words."""
        size = octets(self._word(address) & LENGTH)
        return f"a record of {size} of ring buffer {self.spec.name}, never submitted or discarded"

    def commit(self, address: int, discard: bool) -> None:
        """Give the reserved record to the reader, or drop it."""
        word = self._word(address) & LENGTH | (DISCARD if discard else 0)
        self.view[address - HEADER : address - HEADER + 4] = word.to_bytes(4, "little")
        region = self._records.pop(address, None)
        if region is not None:
            region.live, region.ended = False, "was discarded" if discard else "was submitted"
            self._past[address] = region

    def output(self, data: bytes) -> int:
        """One record at once: 0, or -EAGAIN where there is no room."""
        address = self.reserve(len(data))
        if not address:
            return -errno.EAGAIN
        self.view[address : address + len(data)] = data
        self.commit(address, discard=False)
        return 0

    def query(self, what: int) -> int:
        """bpf_ringbuf_query: 0 bytes that wait, 1 the size, 2 and 3 positions of consumer and producer; else 0."""
        consumer, producer = self._positions[_CONSUMER], self._positions[_PRODUCER]
        answers = (producer - consumer, self.size, consumer, producer)
        return answers[what] if what < len(answers) else 0

    def begin(self) -> None:
        """Nothing stands there between runs."""

    def take(self) -> tuple[list[bytes], int]:
        """Every record that was submitted, in the order of reserving; what is still reserved is discarded."""
        found = self.taken(self.consumer, self.producer)
        self._positions[_CONSUMER] = self.producer
        lost, self._missed = self._missed, 0
        return found, lost

    def taken(self, at: int, end: int) -> list[bytes]:
        """The records that were submitted between two positions; those that are still reserved are discarded."""
        found = []
        while at < end:
            address = self.base + (at & self.size - 1) + HEADER
            word = self._word(address)
            if word & BUSY:
                self.commit(address, discard=True)
            elif not word & DISCARD:
                found.append(bytes(self.view[address : address + (word & LENGTH)]))
            at += whole(word & LENGTH)
        return found

    @property
    def consumer(self) -> int:
        """The position up to which records were taken."""
        return self._positions[_CONSUMER]

    @property
    def producer(self) -> int:
        """The position of the next record."""
        return self._positions[_PRODUCER]

    def reload(self) -> None:
        """Records that are reserved now are alive, others are not."""
        known, self._records = self._past | self._records, {}
        self._past = known
        for region in known.values():
            region.live = False
        at, end = self._positions[_CONSUMER], self._positions[_PRODUCER]
        while at < end:
            address = self.base + (at & self.size - 1) + HEADER
            word = self._word(address)
            if word & BUSY:
                old = known.get(address)
                size = word & LENGTH
                region = self._records[address] = old if old and old.size == size else self._region(address, size)
                region.live = True
            at += whole(word & LENGTH)

    def _oldest(self) -> int:
        """Position of the oldest record that is still reserved, or the producer's."""
        at, end = self._positions[_PENDING], self._positions[_PRODUCER]
        while at < end:
            word = self._word(self.base + (at & self.size - 1) + HEADER)
            if word & BUSY:
                break
            at += whole(word & LENGTH)
        self._positions[_PENDING] = at
        return at

    def _word(self, address: int) -> int:
        return self.words[address - HEADER >> 2]

    def _region(self, address: int, size: int) -> Region:
        view = self.view[address : address + size]
        return Region(f"{self.spec.name} record", address, size, "record", view, written=0, owner=self)

    def _within(self, offset: int) -> Pointer:
        """Into the reserved record at an offset; elsewhere into memory that no program can reach."""
        address = self._memory.base + offset
        for base, region in self._records.items():
            if base - HEADER <= address < base + max(region.size, 1):
                return Pointer(region, address - base)
        return Pointer(self._memory, offset)


TYPES: Mapping[str, MapClass] = {"ringbuf": RingBuffer}
