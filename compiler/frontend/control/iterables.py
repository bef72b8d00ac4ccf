"""What loops go over: numbers that are apart by steps, and values that are known one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfvm.compiler.frontend.types import Number, Value
from bpfvm.compiler.frontend.types import Range as Progression
from bpfvm.lang.types.interval import Interval


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `start` on, `step` apart, up to `stop`, which is not one of them. item: makes of a number what the
    target gets. checked: of what lies in memory, the same where the loop's own test does not bound the number."""

    start: Number
    stop: Number
    step: int
    item: Callable[[Number], Value]
    checked: Callable[[Number], Value] | None = None

    @property
    def numbers(self) -> Progression:
        """The numbers alone."""
        return Progression(self.start, self.stop, self.step)

    @property
    def turns(self) -> int:
        """How many numbers there are at most."""
        start, stop = self.start.range, self.stop.range
        span = stop.hi - start.lo if self.step > 0 else start.hi - stop.lo
        return max(0, -(-span // abs(self.step)))

    @property
    def is_sure(self) -> bool:
        """Whether there is at least one."""
        start, stop = self.start.range, self.stop.range
        return start.hi < stop.lo if self.step > 0 else start.lo > stop.hi

    @property
    def places(self) -> Interval:
        """Where the next number can be, the first one that is out of the range included."""
        start, stop = self.start.range, self.stop.range
        if self.step > 0:
            return Interval(start.lo, max(start.hi, stop.hi - 1 + self.step))
        return Interval(min(start.lo, stop.lo + 1 + self.step), start.hi)


@dataclass(frozen=True, slots=True)
class Items:
    """Values that are known one by one."""

    values: tuple[Value, ...]
