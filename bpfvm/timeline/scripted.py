"""A script of events in place of the kernel, so that whole tools run offline: user halves too.

    def script(timeline):
        timeline.at("1s", "openat", filename="/etc/passwd", by=Task(7, "bash"), ret=3)

    with userspace.instead(Scripted(script)):
        with bpf.attach(sys_openat, sys_exit):
            for event in events: ...                     # ends with the script

Time begins at 0 when something is attached, and goes on where user space waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang import userspace
from bpfvm.lang.traced import stacks
from bpfvm.lang.userspace.printed import Line
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.values.typed_map import TypedMap
from bpfvm.run.declared import EmulatedStore
from bpfvm.timeline.script import Timeline
from bpfvm.timeline.stage import Playing

_NANO = 10**9


class Scripted:
    """What happens to programs that are attached, by a script that is told them. now: ns of its clock."""

    def __init__(self, script: Callable[[Timeline], object], engine: str = "auto") -> None:
        """script: adds events to a timeline of the programs. engine: as of `Timeline.run`."""
        self._script, self._engine, self.now = script, engine, 0
        self._play: Playing | None = None
        self._steps: list[tuple[int, str, str, Any]] = []
        self._stores: dict[Any, EmulatedStore] = {}
        self._lines: list[Line] = []

    def attach(
        self, spec: ObjectSpec, names: Sequence[str], declared: Mapping[str, Any], programs: Sequence[Any],
        until: ExitStack,
    ) -> Mapping[str, TypedMap]:  # fmt: skip
        """Play the script to these programs. UsageError for more than what is attached together."""
        if self._play is not None:
            raise UsageError("a script is for programs that are attached together: bpf.attach(first, second)")
        timeline = Timeline(*programs)
        self._script(timeline)
        self._play = until.enter_context(timeline.playing(self._engine))
        until.callback(self._left)
        self._steps, self.now = timeline.steps(), 0
        sessions = list(self._play.sessions.values())
        for name, one in {**self._play.declared, **declared}.items():
            system = next((made.machine.system for made in sessions if name in made.machine.system.maps), None)
            if system is not None:
                self._stores[one] = EmulatedStore(system, name)
        until.enter_context(userspace.opened(self, {one: partial(_same, made) for one, made in self._stores.items()}))
        self._run_due()
        shown = {made.spec.name for made in self._stores.values() if not made.spec.hidden}
        return {name: one.map(name) for one in sessions for name in one.machine.system.maps if name in shown}

    def clock(self) -> int:
        """The script's time in ns."""
        return self.now

    def pause(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Let what happens in so much time happen: False where there is no more."""
        self.now += round(seconds * _NANO)
        self._run_due()
        return bool(self._steps)

    async def pause_async(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """The same in asyncio."""
        import asyncio

        await asyncio.sleep(0)
        return self.pause(seconds, fds)

    def frames(self, addresses: Sequence[int], pid: int | None) -> list[Any]:
        """As tasks of the script name them."""
        return [stacks.named(one) for one in addresses]

    def printed(self) -> list[Line]:
        """What programs printed since."""
        found, self._lines = self._lines, []
        return found

    def _run_due(self) -> None:
        while self._play is not None and self._steps and self._steps[0][0] <= self.now:
            _, program, event, given = self._steps.pop(0)
            result = self._play.step(program, event, given)
            self._lines += [Line.made(one, given) for one in result.trace]
            for one in self._stores.values():
                one.take(result)
            if result.fault is not None and result.fault.machine:
                raise UsageError(f"{program} at {given.clock} ns on {event}: {result.fault}")

    def _left(self) -> None:
        self._play, self._stores, self._steps = None, {}, []


def _same(store: EmulatedStore) -> EmulatedStore:
    return store
