"""A program on one machine as users hold it: inputs go in as they are for `emulate`, maps keep their contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.obj.values.typed_map import TypedMap
from bpfvm.run.outcome import Outcome
from bpfvm.run.session import Session

if TYPE_CHECKING:
    from bpfvm.lang.traced.task import Task

MakeInput = Callable[..., Input]  # Program.input


class Running:
    """A loaded program whose maps stay from run to run. A context manager; `close` gives its memory back.

    seed, clock, cpu: of the next run: what random numbers come of, what the clock shows at its start in ns, the
    virtual CPU that it is on. An emulator follows them. last: what the last run gave, None before the first.
    """

    def __init__(self, session: Session, make_input: MakeInput, seed: int = 0) -> None:
        self._session, self._input = session, make_input
        self.name, self.engine = session.program.name, session.engine
        self.seed, self.clock, self.cpu = seed, 0, 0
        self.last: Outcome | None = None
        self._runs = 0

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<bpfvm.Running {self.name} on {self.engine}: {self.said}>"

    @property
    def said(self) -> str:
        """How often it ran and what the last run gave, in words."""
        runs = f"{self._runs} run{'s' if self._runs != 1 else ''}"
        return runs if self.last is None else f"{runs}, the last {self.last.said}"

    def run(
        self, *given: Any, ctx: Mapping[str, int] | None = None, regs: Mapping[str, int] | None = None,
        memory: Mapping[int, bytes] | None = None, args: Any = None, ret: Any = None, task: Task | None = None,
    ) -> Outcome:  # fmt: skip
        """Run once, on one packet, on the arguments of a function, or on an event: see `Program.emulate`.

        Raises Unavailable, UsageError.
        """
        for name, number in (("seed", self.seed), ("clock", self.clock), ("cpu", self.cpu)):
            if not hasattr(type(number), "__index__"):
                unit = " of nanoseconds" if name == "clock" else ""
                raise UsageError(f"{self.name}: {name} is {number!r}, and must be a whole number{unit}")
        made = self._input(given, ctx, regs, memory, args, ret, task)
        made = replace(made, seed=self.seed, clock=self.clock, cpu=self.cpu)
        self.last = self._session.outcome(made)
        self._runs += 1
        return self.last

    @property
    def maps(self) -> dict[str, dict[Any, Any]]:
        """The contents of the maps now, by name: {key: value}."""
        return self._session.maps()

    def map(self, name: str) -> TypedMap:
        """One map as it is now, to read and to change. Raises Unavailable where the machine has whole contents only."""
        return self._session.map(name)

    def close(self) -> None:
        """Release the machine's program and maps."""
        self._session.close()
