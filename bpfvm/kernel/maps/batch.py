"""Many elements of a map by one system call: BPF_MAP_{LOOKUP,LOOKUP_AND_DELETE,UPDATE,DELETE}_BATCH (Linux 5.6).

What the kernel says of a batch, measured on 6.18: behind the last element it answers ENOENT with a count that is valid,
an exactly full buffer is no error and the next call is ENOENT with none; ENOSPC says that one bucket of a hash holds
more than there is room for. A batch over a hash walks its buckets, each copied whole under its lock: an element that is
there all the time is met once, whatever others store and delete. Over an LPM trie it goes from key to key, and where
the key that it stands on is deleted it begins again or goes on behind another: elements come twice, or never.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.sys import (
    ENOTSUPP,
    MAP_DELETE_BATCH,
    MAP_LOOKUP_AND_DELETE_BATCH,
    MAP_LOOKUP_BATCH,
    MAP_UPDATE_BATCH,
    Fd,
    MapBatch,
    address,
    bpf,
)
from bpfvm.obj.model import MapSpec

NO_BATCH = (errno.EINVAL, ENOTSUPP)  # a kernel before 5.6, a map type without this command
LEAST_ROOM = 64  # elements

_BATCH_BYTES = 1 << 20  # of keys and values in one call: what stays in a core's cache until it is decoded
_MOST_INTERRUPTIONS = 10_000  # in a row: EINTR of kernels that give up where elements vanish under them


def descriptor(spec: MapSpec, fd: Fd) -> int:
    """The descriptor's number. UsageError that names the map where it was closed."""
    try:
        return fd.number
    except UsageError:
        raise UsageError(f"map {spec.name} is closed; install or load its object again to use it") from None


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` elements side by side. The buffers are used again for the next chunk. last: there is none behind it."""

    keys: memoryview
    values: memoryview
    count: int
    last: bool = False


class Cursor:
    """A walk over the elements. done: there are no more behind what was read."""

    def __init__(self, spec: MapSpec, fd: Fd, delete: bool = False) -> None:
        """delete: what is read is taken out of the map in the same moment."""
        self._spec, self._fd = spec, fd
        self._command = MAP_LOOKUP_AND_DELETE_BATCH if delete else MAP_LOOKUP_BATCH
        self._place = ctypes.create_string_buffer(max(spec.key_size, 8))
        self._attr = MapBatch(out_batch=address(self._place))
        self._interrupted = 0
        self.done = False

    def read(self, keys: int, values: int, room: int) -> int | None:
        """Up to `room` elements to these addresses: how many came; None where more room is needed for any.

        Raises OSError with what else the kernel says.
        """
        attr = self._attr
        attr.map_fd, attr.keys, attr.values, attr.count = descriptor(self._spec, self._fd), keys, values, room
        try:
            bpf(self._command, attr)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return None
            if error.errno == errno.EINTR and self._interrupted < _MOST_INTERRUPTIONS:
                self._interrupted += 1
            elif error.errno == errno.ENOENT:
                self.done = True
            else:
                raise
        if attr.count:
            attr.in_batch, self._interrupted = attr.out_batch, 0
        return int(attr.count)


class Batches:
    """Batch calls on one map. value_room: bytes of one element's value in them."""

    def __init__(self, spec: MapSpec, fd: Fd, value_room: int) -> None:
        self._spec, self._fd, self._value_room = spec, fd, value_room
        whole = spec.max_entries + LEAST_ROOM  # more than there are, so that one call meets the end
        self.room = max(LEAST_ROOM, min(whole, _BATCH_BYTES // max(spec.key_size + value_room, 1)))

    def chunks(self, delete: bool = False) -> Iterator[Chunk]:
        """Every element. Raises OSError, one of NO_BATCH before the first chunk where there is no such command."""
        cursor, room = Cursor(self._spec, self._fd, delete), self.room
        keys, values = self._buffers(room)
        while not cursor.done:
            count = cursor.read(address(keys), address(values), room)
            if count is None:
                room *= 2
                keys, values = self._buffers(room)
            elif count:
                yield Chunk(memoryview(keys).cast("B"), memoryview(values).cast("B"), count, cursor.done)

    def settled(self) -> Iterator[Chunk]:
        """Every element of an LPM trie as one chunk, where two readings one after the other found the same keys.

        Then none was deleted under the first: it told every key that it stood on. Else nothing. Raises as chunks.
        """
        first = self._whole()
        second = self._whole() if first else None
        if first and second and first.keys() == second.keys():
            yield Chunk(memoryview(b"".join(second)), memoryview(b"".join(second.values())), len(second), last=True)

    def _whole(self) -> dict[bytes, bytes] | None:
        """Key -> value; None where more came than there can be."""
        size, room = self._spec.key_size, self._value_room
        found: dict[bytes, bytes] = {}
        read = 0
        for one in self.chunks():
            read += one.count
            if read > self._spec.max_entries:
                return None
            for at in range(one.count):
                key = bytes(one.keys[at * size : (at + 1) * size])
                found[key] = bytes(one.values[at * room : (at + 1) * room])
        return found

    def update(self, keys: int, values: int, count: int, flags: int = 0) -> tuple[int, int]:
        """Store `count` elements from these addresses: how many were, and the errno that stopped it or 0."""
        return self._sent(MAP_UPDATE_BATCH, keys, values, count, flags)

    def delete(self, keys: int, count: int) -> tuple[int, int]:
        """Delete `count` keys from this address: how many were, and the errno that stopped it or 0."""
        return self._sent(MAP_DELETE_BATCH, keys, 0, count, 0)

    def _sent(self, command: int, keys: int, values: int, count: int, flags: int) -> tuple[int, int]:
        attr = MapBatch(
            map_fd=descriptor(self._spec, self._fd), keys=keys, values=values, count=count, elem_flags=flags
        )
        try:
            bpf(command, attr)
        except OSError as error:
            # the count that was given is that of a call that did not begin
            return (int(attr.count) if attr.count < count else 0), error.errno or 0
        return int(attr.count), 0

    def _buffers(self, room: int) -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]:
        try:
            return (
                ctypes.create_string_buffer(room * self._spec.key_size),
                ctypes.create_string_buffer(room * self._value_room),
            )
        except MemoryError:
            raise Unavailable(
                f"map {self._spec.name}: there is no memory for {room} elements of "
                f"{self._spec.key_size + self._value_room} bytes at once"
            ) from None
