"""What a machine must do for declared maps in users' hands: one map's elements, its events, and the time between.

A machine is a `Space` with a `Store` for each declared map: the kernel's over bpf(2), an emulator's over its own maps,
or the last contents of one that was closed.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from bpfvm.lang.userspace.blocks import joined
from bpfvm.lang.userspace.printed import Printing
from bpfvm.obj.model import MapSpec, ObjectSpec

if TYPE_CHECKING:
    import numpy

T = TypeVar("T")
Answer: TypeAlias = "bytes | list[bytes] | int"  # a value, one value a CPU, or a negative errno


class Records(Protocol):
    """The events of one map, each given out once."""

    @property
    def made(self) -> bool:
        """Whether they are values of the declared type; else they are bytes."""

    @property
    def lost(self) -> int | None:
        """Those that found no room; None where nobody counts them."""

    def read(self) -> Sequence[Any]:
        """What is there now."""

    def parts(self) -> Iterator[Iterable[Any]]:
        """The same, a part at a time; what is not taken of a part stays."""

    def blocks(self, of: numpy.dtype[Any]) -> Iterable[numpy.ndarray[Any, Any]]:
        """What is there now, as arrays of a type of numpy."""

    def fileno(self) -> int:
        """A descriptor that is ready where there is something; -1 where none is needed, since `Space.pause` says."""


class Store(Protocol):
    """One map; a negative number is an errno. cpus: values of a per-CPU element, 1 of others."""

    @property
    def spec(self) -> MapSpec: ...

    @property
    def cpus(self) -> int: ...

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer: ...

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int: ...

    def sys_delete(self, key: bytes) -> int: ...

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer: ...

    def pairs(self) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        """Every element: what is there all the time once, what comes or goes meanwhile at most once."""

    def patch(self, key: bytes, offset: int, data: bytes) -> int:
        """Store a part of a value; programs' stores to its other parts stay."""

    def inner(self, key: bytes) -> Store | None:
        """The map that stands at `key` of a map of maps."""

    def send(self, message: bytes) -> int:
        """A message into a ring that programs drain: 0, or -ENOSPC."""

    @property
    def records(self) -> Records | None:
        """Of a map of events."""


class Space(Protocol):
    """Where declared maps live while something is attached. `pause`, `frames` are asked of the newest."""

    def clock(self) -> int:
        """Its time in ns."""

    def pause(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Let so much time go by, less where one of `fds` is ready: False where nothing comes any more."""

    async def pause_async(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """The same in asyncio."""

    def frames(self, addresses: Sequence[int], pid: int | None) -> list[Any]:
        """What code stands at addresses of the kernel, or of the process `pid`; str() makes lines."""


class World(Printing, Protocol):
    """What programs are attached to in place of the kernel."""

    def attach(
        self, spec: ObjectSpec, names: Sequence[str], declared: Mapping[str, Any], programs: Sequence[Any],
        until: ExitStack,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Run these programs of an object on what comes, until the stack is closed; their maps by name.

        declared: maps by name, which are to be `opened`. programs: bpfvm.Program of each. UsageError for programs that
        nothing comes for.
        """


class Kept:
    """The last contents of a map that was closed, which can only be read."""

    def __init__(
        self, spec: MapSpec, cpus: int, elements: Iterable[tuple[bytes, bytes | list[bytes]]],
        records: _Left | None = None, inner: dict[bytes, Kept] | None = None,
    ) -> None:  # fmt: skip
        self.spec, self.cpus = spec, cpus
        self._elements, self._inner = dict(elements), inner or {}
        self.records: Records | None = records or _Left((), None, False)

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """What stood there."""
        if self.spec.type in ("queue", "stack"):
            key = min(self._elements, default=b"")
        return self._elements.get(key, -errno.ENOENT)

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """Not any more."""
        return -errno.EROFS

    def sys_delete(self, key: bytes) -> int:
        """Not any more."""
        return -errno.EROFS if key in self._elements else -errno.ENOENT

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """Not any more."""
        return self.sys_delete(key)

    def pairs(self) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        """Every element."""
        return iter(self._elements.items())

    def patch(self, key: bytes, offset: int, data: bytes) -> int:
        """Not any more."""
        return -errno.EROFS

    def send(self, message: bytes) -> int:
        """Not any more."""
        return -errno.EROFS

    def inner(self, key: bytes) -> Store | None:
        """What stood there."""
        return self._inner.get(key)


def drained(waiting: deque[T]) -> Iterator[T]:
    """What waits, taken out one by one."""
    while waiting:
        yield waiting.popleft()


class _Left:
    """Events that nobody had read when the map was closed."""

    def __init__(self, records: Sequence[Any], lost: int | None, made: bool) -> None:
        self._records, self.lost, self.made = deque(records), lost, made

    def read(self) -> Sequence[Any]:
        return list(drained(self._records))

    def parts(self) -> Iterator[Iterator[Any]]:
        return iter((drained(self._records),) if self._records else ())

    def blocks(self, of: numpy.dtype[Any]) -> Sequence[numpy.ndarray[Any, Any]]:
        return joined(self.read(), of)

    def fileno(self) -> int:
        return -1


def kept(store: Store) -> Kept:
    """What stands in a map now, and what of its events nobody has read."""
    records = store.records
    left = _Left(records.read(), records.lost, records.made) if records is not None else None
    pairs = list(store.pairs())
    inner = {}
    if store.spec.inner is not None:
        found = {key: store.inner(key) for key, _ in pairs}
        inner = {key: kept(one) for key, one in found.items() if one is not None}
    return Kept(store.spec, store.cpus, pairs, left, inner)


__all__ = ["Answer", "Kept", "Records", "Space", "Store", "World", "drained", "kept"]
