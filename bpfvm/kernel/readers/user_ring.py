"""Messages to programs: BPF_MAP_TYPE_USER_RINGBUF, which user space writes and bpf_user_ringbuf_drain reads.

The layout is the ring buffer's with the sides changed over (kernel/bpf/ringbuf.c): the consumer's page is read only
here, the producer's and the data, mapped twice in a row, are written.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entries
from bpfvm.kernel.readers.memory import PAGE, READ, WRITE, KernelSide, fence, shared
from bpfvm.kernel.readers.ring import BUSY, DISCARD, HEADER, LENGTH, stride
from bpfvm.kernel.sys import Fd
from bpfvm.obj.values.records import Codec


class Message:
    """Room in the ring that is reserved: write to `data`, then `submit` or `discard` it.

    As a context manager it is submitted at the end, and discarded where the block raises. The program sees messages in
    the order of their reservation: those behind one that is neither wait for it.
    """

    __slots__ = ("_header", "_size", "data")

    def __init__(self, header: memoryview, data: memoryview) -> None:
        """header: the word of the record's length and bits, which has its busy bit set."""
        self._header: memoryview | None = header
        self.data, self._size = data, len(data)

    def submit(self) -> None:
        """Give it to the program. UsageError when it was submitted or discarded before."""
        self._end("submitted", 0)

    def discard(self) -> None:
        """Have the program pass over it. UsageError when it was submitted or discarded before."""
        self._end("discarded", DISCARD)

    def __enter__(self) -> Message:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._header is not None:
            self._end("submitted", 0 if kind is None else DISCARD)

    def _end(self, done: str, bits: int) -> None:
        header, self._header = self._header, None
        if header is None:
            raise UsageError(f"this message was submitted or discarded already and cannot be {done}; reserve another")
        self.data = memoryview(bytes(self._size))  # what is written from now on must not reach the program
        fence()
        header[0] = self._size | bits
        fence()


class UserRing:
    """The writing end of one user ring buffer: one at a time for each map. Close it, or use `with`."""

    def __init__(self, map: KernelSide) -> None:
        """Raises UsageError for another map, Unavailable where the kernel does not share the memory."""
        if map.spec.type != "user_ringbuf":
            raise UsageError(f"map {map.spec.name} is {an(map.spec.type)}, and a UserRing writes to a user_ringbuf")
        self._open(map.fd, map.spec.name, map.entries)

    @classmethod
    def of(cls, fd: Fd, name: str, size: int) -> UserRing:
        """Of the map behind a descriptor, `size` bytes large."""
        ring = cls.__new__(cls)
        ring._open(fd, name, size)
        return ring

    def _open(self, fd: Fd, name: str, size: int) -> None:
        self.name, self.size = name, size
        self._consumer = memoryview(shared(fd, name, PAGE, READ, 0)).cast("Q")
        mine = memoryview(shared(fd, name, PAGE + 2 * size, WRITE, PAGE))
        self._producer, self._data = mine[:PAGE].cast("Q"), mine[PAGE:]
        self._words = self._data.cast("I")
        self._closed = False

    def __enter__(self) -> UserRing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def free(self) -> int:
        """Bytes that the next messages may take, each with a header of 8 bytes and padded to 8."""
        self._check()
        return self.size - (self._producer[0] - self._consumer[0])

    def reserve(self, size: int) -> Message:
        """Room for a message of `size` bytes, all zero. UsageError where there is none."""
        self._check()
        if not 0 <= size <= LENGTH:
            raise UsageError(f"map {self.name}: a message of {octets(size)}; it has 0 to {LENGTH}")
        whole, end = stride(size), self._producer[0]
        free = self.size - (end - self._consumer[0])
        if whole > free:
            raise UsageError(
                f"map {self.name}: a message of {octets(size)} takes {whole}, and {free} of {self.size} are free; run "
                f"the program that drains it, or make the map larger"
            )
        fence()
        at = end & (self.size - 1)
        data = self._data[at + HEADER : at + HEADER + size]
        data[:] = bytes(size)
        header = self._words[at >> 2 : (at >> 2) + 2]
        header[0], header[1] = size | BUSY, 0
        fence()
        self._producer[0] = end + whole
        return Message(header, data)

    def send(self, message: bytes | bytearray | memoryview) -> None:
        """Reserve, write and submit in one. UsageError where there is no room."""
        with self.reserve(len(message)) as reserved:
            reserved.data[:] = message

    def send_value(self, value: Any, codec: Codec) -> None:
        """Send the bytes of a value of the codec's type. UsageError for one that does not fit it, or the ring."""
        self.send(codec.encode(value, f"map {self.name}: message"))

    def waiting(self) -> list[bytes]:
        """The submitted messages that no program took yet, oldest first."""
        self._check()
        found = []
        at, end = self._consumer[0], self._producer[0]
        while at < end:
            start = at & (self.size - 1)
            word = self._words[start >> 2]
            if not word & (BUSY | DISCARD):
                found.append(bytes(self._data[start + HEADER : start + HEADER + word]))
            at += stride(word)
        return found

    def close(self) -> None:
        """Let go of the memory; what was submitted stays there. Again does nothing."""
        self._closed = True
        self._consumer = self._producer = memoryview(bytes(8)).cast("Q")
        self._data = self._words = memoryview(b"")

    def _check(self) -> None:
        if self._closed:
            raise UsageError(f"the writer of map {self.name} is closed; open another one")


def send(fd: Fd, name: str, size: int, entries: Entries) -> None:
    """Put each value as a message into a user ring buffer of `size` bytes, for a program to drain.

    Raises UsageError for what is no message and where there is no room for one, Unavailable where the kernel does not
    share the memory.
    """
    with UserRing.of(fd, name, size) as ring:
        for key, message in entries:
            if key or not isinstance(message, bytes):
                raise UsageError(f"map {name}: a message is bytes under an empty key")
            ring.send(message)


def waiting(fd: Fd, name: str, size: int) -> Entries:
    """The messages in a user ring buffer that no program took yet, oldest first."""
    with UserRing.of(fd, name, size) as ring:
        return [(b"", one) for one in ring.waiting()]
