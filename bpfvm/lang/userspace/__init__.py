"""Declared maps in users' hands: `hits[6]`, `hits.items()`, `for e in events:`, while what uses them is attached.

A declared map is one map: what is attached later and uses it too shares it. When the last of them is closed, its last
contents stay, to be read. `opened` is all that a machine needs to say: which stores stand for which declarations.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from bpfvm.core.errors import UsageError
from bpfvm.lang.userspace.ending import Ending
from bpfvm.lang.userspace.machine import UserSide
from bpfvm.lang.userspace.store import Kept, Records, Space, Store, World, kept

_NANO = 10**9
Take: TypeAlias = "Callable[[Records], Iterable[Iterable[Any]]]"
SLICE = 0.1  # seconds after which a signal, or the end of what is attached, is seen


class _Side:
    """A declared map that is in use. users: how many attachments use it."""

    def __init__(self, store: Store, space: Space) -> None:
        self.store, self.space, self.users = store, space, 0


_open: WeakKeyDictionary[Any, _Side] = WeakKeyDictionary()
_last: WeakKeyDictionary[Any, tuple[Kept, Space]] = WeakKeyDictionary()
_spaces: list[Space] = []
_worlds: list[World] = []
_told: list[Callable[[], None]] = []


@contextmanager
def instead(of_kernel: World) -> Iterator[None]:
    """Attach to something else in place of the kernel until the block ends, so that user halves run offline."""
    _worlds.append(of_kernel)
    try:
        yield
    finally:
        _worlds.remove(of_kernel)


def world() -> World | None:
    """What programs are attached to in place of the kernel; None for the kernel."""
    return _worlds[-1] if _worlds else None


def live(declared: Any) -> Store | None:
    """The map that stands for a declaration now; None where nothing that uses it is attached."""
    side = _open.get(declared)
    return side.store if side is not None else None


@contextmanager
def told(begins: Callable[[], None]) -> Iterator[None]:
    """Call `begins` whenever something is attached in the block."""
    _told.append(begins)
    try:
        yield
    finally:
        _told.remove(begins)


@contextmanager
def opened(space: Space, stores: Mapping[Any, Callable[[], Store]]) -> Iterator[None]:
    """Let stores stand for declared maps until the block ends.

    stores: what makes one that is not there yet, which is closed with its last user where it has `close`.
    """
    with ExitStack() as closed:
        for declared, make in stores.items():
            side = _open.get(declared)
            if side is None:
                side = _open[declared] = _Side(make(), space)
                _last.pop(declared, None)
            side.users += 1
            closed.callback(_left, declared, side)
        _spaces.append(space)
        closed.callback(_spaces.remove, space)
        for begins in _told:
            begins()
        yield


def _left(declared: Any, side: _Side) -> None:
    side.users -= 1
    if side.users:
        return
    try:
        _last[declared] = kept(side.store), side.space
        lost = side.store.records.lost if side.store.records is not None else None
        if lost:
            import logging

            logging.getLogger("bpfvm").warning(
                "map %s: %d events found no room and are lost", side.store.spec.name, lost
            )
    finally:
        _open.pop(declared, None)
        getattr(side.store, "close", _nothing)()


def _nothing() -> None:
    """Stores that own nothing have no close."""


def store_of(declared: Any) -> Store | None:
    """What user space reads of a declared map: as it is now, or as it was last; None where it was never in use."""
    found = live(declared)
    return found if found is not None or declared not in _last else _last[declared][0]


def frames(declared: Any, called: str, addresses: Sequence[int], pid: int | None) -> list[Any]:
    """What code stands at addresses that a map of stacks holds."""
    side, last = _open.get(declared), _last.get(declared)
    if side is None and last is None:
        raise not_in_use(called)
    here = side.space if side is not None else last[1] if last is not None else None
    return here.frames(addresses, pid) if here is not None else []


def space() -> Space | None:
    """Of what was attached last and still is; None where nothing is."""
    return _spaces[-1] if _spaces else None


def wait(seconds: float | None = None) -> bool:
    """Until so many seconds went by, Ctrl-C, SIGTERM, or nothing comes any more: False after one of these signals.
    UsageError where nothing is attached."""
    here = space()
    if here is None:
        raise UsageError("bpf.wait() waits while something is attached: put it into `with bpf.attach(...):`")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
        raise UsageError(f"bpf.wait({seconds!r}): it is a number of seconds, 0 or more, or None to wait for Ctrl-C")
    end = None if seconds is None else here.clock() + round(seconds * _NANO)
    with Ending() as ending:
        while not ending.asked and here in _spaces:
            left = SLICE if end is None else min((end - here.clock()) / _NANO, SLICE)
            if left <= 0:
                break
            if not here.pause(left):
                here.pause(max(0.0, (end - here.clock()) / _NANO) if end is not None else 0.0)
                break
    return not ending.asked


def events(declared: Any, called: str, take: Take) -> Iterator[Any]:
    """Events as they come, until Ctrl-C, SIGTERM, or what is attached is closed and all are given out. take: gives
    those that are there now, in parts."""
    return chain.from_iterable(_parts(declared, called, take))


def _parts(declared: Any, called: str, take: Take) -> Iterator[Iterable[Any]]:
    """Parts of a size that is worth while, so that what was looked at is let go of before the next are made."""
    last = False
    with Ending() as ending:
        while True:
            found = False
            for part in take(_records(declared, called)):
                found = True
                yield part
            if last and (ending.asked or not found):
                return
            side = _open.get(declared)
            if ending.asked or (side is None and not found):
                last = True
            elif side is not None and not found:
                last = not side.space.pause(SLICE, _fds(declared, called))


async def events_async(declared: Any, called: str, take: Take) -> AsyncIterator[Any]:
    """The same in asyncio."""
    import asyncio

    last = False
    with Ending() as ending:
        while True:
            found = False
            for part in take(_records(declared, called)):
                found = True
                for one in part:
                    yield one
            if last and (ending.asked or not found):
                return
            side = _open.get(declared)
            if ending.asked or (side is None and not found):
                last = True
            elif side is not None and not found:
                last = not await side.space.pause_async(SLICE, _fds(declared, called))
            else:
                await asyncio.sleep(0)  # others have their turn, however fast events come


def taken(records: Records, make: Callable[[bytes], Any]) -> Iterator[Iterable[Any]]:
    """The events that are there now, in parts. make: makes one of a record's bytes."""
    return records.parts() if records.made else (map(make, part) for part in records.parts())


def _fds(declared: Any, called: str) -> tuple[int, ...]:
    number = _records(declared, called).fileno()
    return (number,) if number >= 0 else ()


def _records(declared: Any, called: str) -> Records:
    store = store_of(declared)
    if store is None:
        raise not_in_use(called)
    records = store.records
    if records is None:
        raise UsageError(f"map {called} has no events")
    return records


def not_in_use(called: str) -> UsageError:
    """Of a map that no program runs with and nothing is attached that uses it."""
    if _spaces:
        return UsageError(
            f"map {called} is used by none of the programs that are attached: what uses it may stand behind a "
            "condition that never holds"
        )
    return UsageError(
        f"map {called} has a meaning only while a program runs, or something that uses it is attached: call "
        "prog.cpython(...), prog.emulate(...) or prog.check(...), or read it in `with bpf.attach(...):`, in the user "
        'half under `if __name__ == "__main__":`'
    )


__all__ = [
    "SLICE", "Ending", "Kept", "Records", "Space", "Store", "UserSide", "World", "events", "events_async", "frames",
    "instead", "kept", "live", "not_in_use", "opened", "space", "store_of", "taken", "told", "wait", "world",
]  # fmt: skip
