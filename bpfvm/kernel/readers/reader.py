"""Readers of events: ring buffers, perf event arrays, several of them at once.

    for event in reader: …            waits; ends with close(), or `timeout` seconds after the last event
    async for event in reader: …      the same in asyncio
    reader.poll(1.0), reader.read()   a list: of what comes within a second, of what is there
    for block in reader.blocks(): …   arrays of numpy
    select.select([reader], [], [])   then read() all of it: perf says of new events only

A reader takes events out: each is given once, whoever asks. What stands in a perf event array goes by CPU, in order on
each; between CPUs there is no order but what the events themselves say. Events of a perf event array that found no
room are counted: `lost` has the sum, and each new loss goes to `on_lost`, or is warned of (LostEvents). A ring buffer
does not count them: its programs get an error, and `lost` is None.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bpfvm.core.articles import an
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.host.sizes import BYTE_ORDER, possible_cpus
from bpfvm.kernel.readers.memory import KernelSide
from bpfvm.kernel.readers.perf import PAGES, Event
from bpfvm.kernel.readers.ring import RingBuffer
from bpfvm.kernel.readers.source import OnLost, Source
from bpfvm.kernel.readers.typed import decoder
from bpfvm.kernel.readers.waiting import SLICE, Waiter
from bpfvm.kernel.sys import MAP_DELETE_ELEM, MAP_UPDATE_ELEM, Fd, MapElement, address, bpf, error_name, error_text
from bpfvm.obj.btf.table import Btf

if TYPE_CHECKING:
    import asyncio

    import numpy


class Reader:
    """Goes through sources in turn, a span of each at a time. Close it, or use `with`."""

    def __init__(self, sources: Sequence[Source], fds: Sequence[int], timeout: float | None, opened: ExitStack) -> None:
        """fds: what tells that something is there. timeout: seconds without an event after which iterations end.

        opened: what is closed at the end.
        """
        self.timeout = _seconds(timeout)
        self._sources, self._fds = list(sources), list(fds)
        self._turn, self._closed = 0, False
        self._lock = threading.RLock()  # `close` in one thread, all else in another
        self._failed: Exception | None = None
        try:
            self._waiter = Waiter(fds)
        except OSError as error:
            raise Unavailable(f"readers cannot wait: {_told(error)}") from None
        self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        """Events as they come, until `close` or `timeout` seconds without one.

        UsageError for one that is not of the type; the next iteration goes on behind it.
        """
        self._check()
        return chain.from_iterable(self._rounds(self._values))

    def __aiter__(self) -> AsyncIterator[Any]:
        """As `for`, in asyncio."""
        self._check()
        return self._events()

    def blocks(self, copy: bool = True) -> Iterator[numpy.ndarray[Any, Any]]:
        """As `for`, with structured arrays of many events; of bytes, arrays of a void type for each size.

        copy: else they are views of the shared memory, to be read and valid until the next is asked for.
        UsageError for a type that numpy cannot have, and for events that are not of the type, which are taken.
        """
        self._check()
        for one in self._sources:
            one.decoder.check_blocks()
        return chain.from_iterable(self._rounds(lambda source: source.blocks(copy)))

    def read(self) -> list[Any]:
        """The events that are there. What one of them raises comes after those before it: with the next call."""
        self._check()
        self._raise_failed()
        found: list[Any] = []
        with self._lock:
            try:
                for source in self._sources:
                    self._extend(found, source)
            except Exception as error:
                if not found:
                    raise
                self._failed = error
        return found

    def parts(self) -> Iterator[Iterator[Any]]:
        """The events that are there as it begins, source after source, as many at a time as lie in a row: what is not
        taken of them stays. One that is not of the type raises as it is taken."""
        self._check()
        self._raise_failed()
        for source in self._sources:
            end = source.end
            while (values := self._at_hand(source, end)) is not None:
                yield values

    def poll(self, timeout: float | None = None) -> list[Any]:
        """As `read`, but wait until there is something: at most `timeout` seconds, else until `close`."""
        limit = _seconds(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        while not (found := self.read()) and self._waiter.wait(deadline) and not self._closed:
            pass
        return found

    def fileno(self) -> int:
        """A descriptor that select(2) says is ready when there is something; then `read` all of it."""
        self._check()
        return self._waiter.fd

    @property
    def lost(self) -> int | None:
        """Events that found no room since this was opened; None where the kernel counts them for no map here."""
        counts = [one.lost for one in self._sources]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def close(self) -> None:
        """End iterations and waiting, in other threads too. What was not taken stays in the buffer; again does nothing.

        Raises what the last `read` left to be raised.
        """
        if self._closed:
            return
        self._closed = True
        self._waiter.close()
        with self._lock, self._opened, ExitStack() as rest:
            for one in self._sources:
                rest.callback(one.close)
        self._raise_failed()

    def _at_hand(self, source: Source, end: int) -> Iterator[Any] | None:
        with self._lock:
            values = None if self._closed else self._values(source, end)
            if values is not None:
                self._waiter.found()
                source.tell()
            return values

    def _extend(self, found: list[Any], source: Source) -> None:
        """By what is there now, and not by what comes meanwhile: that may never end."""
        end = source.end
        while (values := self._values(source, end)) is not None:
            self._waiter.found()
            found.extend(values)
            source.tell()

    def _values(self, source: Source, end: int | None = None) -> Iterator[Any] | None:
        return source.values(end)

    def _rounds(self, ask: Callable[[Source], Iterator[Any] | None]) -> Iterator[Iterator[Any]]:
        """What is at hand, source after source, as it comes."""
        deadline = None
        while not self._closed:
            found = self._asked(ask)
            if found is not None:
                yield found
                deadline = None
                continue
            if deadline is None and self.timeout is not None:
                deadline = time.monotonic() + self.timeout
            if not self._waiter.wait(deadline):
                return

    def _asked(self, ask: Callable[[Source], Iterator[Any] | None]) -> Iterator[Any] | None:
        self._raise_failed()
        with self._lock:
            for _ in self._sources:
                source = self._sources[self._turn]
                self._turn = (self._turn + 1) % len(self._sources)
                values = ask(source)
                if values is not None:
                    self._waiter.found()
                    source.tell()
                    return values
        return None

    async def _events(self) -> AsyncIterator[Any]:
        import asyncio

        deadline = None
        while not self._closed:
            found = self._asked(self._values)
            if found is not None:
                for event in found:
                    yield event
                deadline = None
                await asyncio.sleep(0)  # others have their turn, however fast events come
                continue
            now = time.monotonic()
            if deadline is None and self.timeout is not None:
                deadline = now + self.timeout
            if deadline is not None and now >= deadline:
                return
            await asyncio.sleep(self._waiter.pause())
            await self._ready(SLICE if deadline is None else min(SLICE, deadline - now))

    async def _ready(self, limit: float) -> None:
        """Until something may be there, or `limit` seconds."""
        import asyncio

        if self._closed:
            return
        loop, fd = asyncio.get_running_loop(), self._waiter.fd
        ready = loop.create_future()
        loop.add_reader(fd, _done, ready)
        try:
            done, _ = await asyncio.wait([ready], timeout=limit)
        finally:
            loop.remove_reader(fd)
            ready.cancel()
        if done:
            self._waiter.woken()

    def _raise_failed(self) -> None:
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _check(self) -> None:
        if self._closed:
            names = ", ".join(dict.fromkeys(one.name for one in self._sources))
            raise UsageError(f"the reader of {names} is closed; open another one")


class RingReader(Reader):
    """Reads one BPF_MAP_TYPE_RINGBUF. Two readers of one map take from each other."""

    def __init__(
        self, map: KernelSide, type: Any = None, *, btf: Btf | None = None, timeout: float | None = None
    ) -> None:
        """type: None for bytes, the name of a type of `btf`, a shape or codec, or a function of an event's bytes.

        Raises UsageError for another map or type, Unavailable where the kernel does not share the memory.
        """
        spec = _expected(map, "ringbuf")
        kind = decoder(spec, False, type, btf)
        with ExitStack() as opened:
            self._buffer = RingBuffer.of(map)
            fd = opened.enter_context(Fd(os.dup(map.fd.number)))
            super().__init__([Source(spec, -1, self._buffer, kind)], [fd.number], timeout, opened)

    @property
    def discarded(self) -> int:
        """Records that programs reserved and gave up, passed over until now."""
        return self._buffer.discarded


class PerfReader(Reader):
    """Reads a BPF_MAP_TYPE_PERF_EVENT_ARRAY: an event on each CPU, put into the map under the CPU's number.

    Bytes of an event are as many as the kernel says: those of the program and up to 7 of padding. The map has room for
    one reader; a CPU that comes online later is not read.
    """

    def __init__(
        self, map: KernelSide, type: Any = None, *, btf: Btf | None = None, pages: int = PAGES, wakeup: int = 1,
        timeout: float | None = None, on_lost: OnLost | None = None,
    ) -> None:  # fmt: skip
        """type: as RingReader's. pages: of each CPU's buffer, a power of two. wakeup: events after which to wake.

        Raises UsageError for another map or type, Unavailable where perf_event_open(2) is not allowed.
        """
        name = _expected(map, "perf_event_array")
        kind = decoder(name, True, type, btf)
        if pages < 1 or pages & (pages - 1) or pages > 1 << 20:
            raise UsageError(f"map {name}: pages={pages} of a perf buffer; they are a power of two")
        if not 0 < wakeup < 1 << 32:
            raise UsageError(f"map {name}: wakeup={wakeup} events; it is 1 or more")
        with ExitStack() as opened:
            fd = opened.enter_context(Fd(os.dup(map.fd.number)))
            events = open_events(map, fd, opened, pages, wakeup)
            sources = [Source(name, one.cpu, one, kind, on_lost) for one in events]
            super().__init__(sources, [one.fd.number for one in events], timeout, opened)


class Readers(Reader):
    """Several readers as one, which closes them: it gives pairs of a map's name and an event."""

    def __init__(self, *readers: Reader, timeout: float | None = None) -> None:
        """The timeouts of the readers themselves do not count here. UsageError for none."""
        if not readers:
            raise UsageError("no readers were given to read from together")
        opened = ExitStack()
        for one in readers:
            one._check()
            opened.callback(one.close)
        sources = [source for one in readers for source in one._sources]
        super().__init__(sources, [fd for one in readers for fd in one._fds], timeout, opened)

    def blocks(self, copy: bool = True) -> Iterator[numpy.ndarray[Any, Any]]:
        """Only of one reader: arrays do not say which map they are of."""
        raise UsageError("blocks() of several readers would not say which map they are of; ask each reader")

    def _values(self, source: Source, end: int | None = None) -> Iterator[Any] | None:
        values = source.values(end)
        return None if values is None else zip(repeat(source.name), values)


def open_events(map: KernelSide, fd: Fd, opened: ExitStack, pages: int = PAGES, wakeup: int = 1) -> list[Event]:
    """An event on each CPU that is online, in its place in the map; both are undone when `opened` is closed.

    fd: of the map, open until then. Raises Unavailable.
    """
    events = []
    for cpu in range(min(map.entries, possible_cpus())):
        event = Event.open(cpu, pages, wakeup)
        if event is None:  # the CPU is not online
            continue
        opened.callback(event.close)
        key, value = cpu.to_bytes(4, BYTE_ORDER), event.fd.number.to_bytes(4, BYTE_ORDER)
        try:
            bpf(MAP_UPDATE_ELEM, MapElement(map_fd=fd.number, key=address(key), value=address(value)))
        except OSError as error:
            raise Unavailable(f"map {map.spec.name}: the kernel does not take a perf event: {_told(error)}") from None
        opened.callback(_taken_out, fd, key)
        events.append(event)
    if not events:
        raise Unavailable(f"map {map.spec.name}: no CPU is online that it has room for")
    return events


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _taken_out(fd: Fd, key: bytes) -> None:
    with suppress(OSError):  # somebody else was faster
        bpf(MAP_DELETE_ELEM, MapElement(map_fd=fd.number, key=address(key)))


def _expected(map: KernelSide, kind: str) -> str:
    if map.spec.type != kind:
        raise UsageError(f"map {map.spec.name} is {an(map.spec.type)}, and this reader reads {an(kind)}; open_reader() "
                         f"takes the right one")  # fmt: skip
    return map.spec.name


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout >= 0:
        raise UsageError(f"timeout={timeout!r}: it is a number of seconds, 0 or more, or None to wait for ever")
    return timeout


def _told(error: OSError) -> str:
    number = error.errno or 0
    return f"{error_text(number)} ({error_name(number)})"
