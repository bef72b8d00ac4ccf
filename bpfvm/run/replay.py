"""A capture in place of the kernel: what is attached runs in the emulator on its packets, as time goes by.

    with open_capture("web.pcap") as capture, userspace.instead(Replay(capture)):
        with bpf.attach(proto):
            bpf.wait(1)  # the packets of the capture's first second
            print(hits[6])

Time is the capture's: it begins with the first packet, and goes on where user space waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.lang import userspace
from bpfvm.lang.userspace.printed import Line
from bpfvm.obj.captures.capture import Capture
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.values.typed_map import TypedMap
from bpfvm.run.declared import EmulatedStore
from bpfvm.run.session import Session

_NANO = 10**9


class Replay:
    """The packets of a capture for one program at a time. now: ns of its clock."""

    def __init__(self, capture: Capture, engine_name: str = "auto", ctx: Mapping[str, int] | None = None) -> None:
        """ctx: fields of the context of each packet. engine_name: cpython runs the function itself."""
        self._capture, self._engine, self._ctx = capture, engine_name, dict(ctx or {})
        self._session: Session | None = None
        self._stores: dict[Any, EmulatedStore] = {}
        self._lines: list[Line] = []
        self._inputs: Iterator[tuple[int, bytes]] = iter(())
        self._next: tuple[int, bytes] | None = None
        self._refused = ""
        first = next(iter(capture), None)
        self.now = max(first[0], 0) if first is not None else 0

    def attach(
        self, spec: ObjectSpec, names: Sequence[str], declared: Mapping[str, Any],
        programs: Sequence[Any], until: ExitStack,
    ) -> Mapping[str, TypedMap]:  # fmt: skip
        """Run a program on the packets from now on. UsageError for several at once, and for one without packets."""
        if len(names) != 1 or self._session is not None:
            raise UsageError(f"{self._capture.name}: a capture is for one program at a time, not {', '.join(names)}")
        session: Session = until.enter_context(programs[0].session(self._engine))
        self._session = session
        until.callback(self._left)
        if session.type.layer is None:
            raise UsageError(f"{names[0]} is {an(session.type.name)} program, which takes no packets of a capture")
        system = session.machine.system
        self._stores = {one: EmulatedStore(system, name) for name, one in declared.items() if name in system.maps}
        until.enter_context(userspace.opened(self, {one: partial(_same, made) for one, made in self._stores.items()}))
        if self._next is None:
            self._inputs = self._packets(session.type.layer)
            self._next = next(self._inputs, None)
        self._run_due()
        return {made.spec.name: session.map(made.spec.name) for made in self._stores.values()}

    def clock(self) -> int:
        """The capture's time in ns."""
        return self.now

    def pause(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Let the packets of so much time come: False where there are no more."""
        self.now += round(seconds * _NANO)
        self._run_due()
        return self._next is not None

    async def pause_async(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """The same in asyncio."""
        import asyncio

        await asyncio.sleep(0)
        return self.pause(seconds, fds)

    def frames(self, addresses: Sequence[int], pid: int | None) -> list[Any]:
        """A capture has no code."""
        return [f"{one:#x}" for one in addresses]

    def printed(self) -> list[Line]:
        """What the program printed since."""
        found, self._lines = self._lines, []
        return found

    def _packets(self, layer: str) -> Iterator[tuple[int, bytes]]:
        for stamp, frame, _, _ in self._capture.frames(layer):
            if not isinstance(frame, str):  # else no program of the type sees it
                yield max(stamp, 0), bytes(frame)

    def _run_due(self) -> None:
        session = self._session
        while session is not None and self._next is not None and self._next[0] <= self.now:
            clock, packet = self._next
            given = Input(packet=packet, fields=self._ctx, clock=clock)
            result = session.run(given)
            self._lines += [Line.made(one, given) for one in result.trace]
            for one in self._stores.values():
                one.take(result)
            if result.fault is not None and result.fault.machine:
                raise UsageError(f"{session.program.name}: {result.fault.message}")
            self._next = next(self._inputs, None)

    def _left(self) -> None:
        self._session, self._stores = None, {}


def _same(store: EmulatedStore) -> EmulatedStore:
    return store
