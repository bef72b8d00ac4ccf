"""The memory of a BPF_MAP_TYPE_RINGBUF: records in the order in which programs reserved them.

Two pages with one position each, then the data, mapped twice in a row, so that no record has to be put together from
both ends (kernel/bpf/ringbuf.c maps it so; records and their headers are those of include/uapi/linux/bpf.h).
"""

from __future__ import annotations

from bpfvm.kernel.readers.memory import PAGE, READ, WRITE, KernelSide, fence, shared
from bpfvm.kernel.readers.span import Batch, Scattered, Span, Window

HEADER = 8  # bytes before each record: length and bits, page offset
BUSY, DISCARD = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
LENGTH = DISCARD - 1
_FEW = 4  # records of one size that are worth a span of their own
_LOT = 64  # records that are taken one by one before their room is given back


class RingBuffer:
    """discarded: records that programs reserved and gave up, passed over until now.

    A full buffer makes the helpers fail, and nothing in it tells how often: lost is None.
    """

    lost: int | None = None

    def __init__(self, consumer: memoryview, producer: memoryview, data: memoryview) -> None:
        """consumer, producer: one word of 8 bytes each, and what is behind it. data: twice in a row."""
        self._consumer, self._producer, self._data = consumer, producer, data
        self._words = data.cast("I")
        self._mask = len(data) // 2 - 1
        self._window = Window()
        self.discarded = 0

    @classmethod
    def of(cls, one: KernelSide) -> RingBuffer:
        """A map's. Raises Unavailable where the kernel does not share the memory."""
        name = one.spec.name
        mine = memoryview(shared(one.fd, name, PAGE, WRITE, 0))
        theirs = memoryview(shared(one.fd, name, PAGE + 2 * one.entries, READ, PAGE))
        return cls(mine.cast("Q"), theirs[:PAGE].cast("Q"), theirs[PAGE:])

    @property
    def ends(self) -> tuple[int, int]:
        return self._consumer[0], self._producer[0]

    def scan(self, most: int) -> Batch | None:
        """Submitted records up to the first that is not yet; discarded ones are passed over."""
        at, end = self._consumer[0], self._producer[0]
        fence()
        while at < end:
            start = at & self._mask
            word = self._words[start >> 2]
            if word & BUSY:
                return None
            if not word & DISCARD:
                return self._run(at, end, word, most)
            self.discarded += 1
            at += stride(word)
            self.commit(at)
        return None

    def commit(self, position: int) -> None:
        fence()
        self._consumer[0] = position
        fence()

    def close(self) -> None:
        self._consumer = self._producer = memoryview(bytes(8)).cast("Q")
        self._data = self._words = memoryview(b"")

    def _run(self, at: int, end: int, word: int, most: int) -> Batch:
        """The records from `at` on, whose first header is `word`."""
        start, step = at & self._mask, stride(word)
        count = min(self._window.size, most, (end - at) // step)
        alike = self._window.alike(self._words[start >> 2 : (start + count * step) >> 2 : step >> 2], most)
        if alike < count and alike < _FEW:
            return self._one_by_one(at, end, min(most, _LOT))
        fence()
        return Span(self._data[start : start + alike * step + HEADER], at, alike, step, HEADER, word)

    def _one_by_one(self, at: int, end: int, most: int) -> Batch:
        found = Scattered(at)
        places: list[tuple[int, int]] = []
        while at < end and len(places) < most:
            start = at & self._mask
            word = self._words[start >> 2]
            if word & BUSY:
                break
            at += stride(word)
            if not word & DISCARD:
                places.append((start + HEADER, start + HEADER + word))
                found.ends.append(at)
            else:  # the first is none: `scan` passed it over
                self.discarded += 1
                found.ends[-1] = at
        fence()
        found.payloads.extend([bytes(self._data[first:last]) for first, last in places])
        return found


def stride(word: int) -> int:
    """Bytes that a record takes whose header has this first word."""
    return ((word & LENGTH) + HEADER + 7) & ~7
