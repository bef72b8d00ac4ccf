"""The smallest sequence that still shows a difference: fewer operations, then plainer ones.

smaller = shrink(machines, report.differences[0])
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import replace

from bpfvm.core.errors import BpfvmError
from bpfvm.fuzz.maps.differ import Difference, compare
from bpfvm.fuzz.maps.operation import Operation, Value
from bpfvm.run.backend import Backend

TESTS, SECONDS = 3000, 60.0  # at most, for one difference


class Search:
    """best: the smallest difference so far. tried: sequences that were run."""

    def __init__(self, machines: Many[Backend], found: Difference, tests: int, seconds: float) -> None:
        self.machines, self.best, self.tried = machines, found, 0
        self._most, self._end = tests, time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether nothing more may be tried."""
        return self.tried >= self._most or time.monotonic() >= self._end

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those of the best sequence."""
        return self.best.case.operations

    def better(self, operations: tuple[Operation, ...]) -> bool:
        """Whether these still differ; they are the best ones then."""
        if self.over:
            return False
        self.tried += 1
        try:
            found = compare(self.machines, replace(self.best.case, operations=operations))
        except BpfvmError:
            return False
        if found is None:
            return False
        self.best = found
        return True


def shrink(machines: Many[Backend], found: Difference, tests: int = TESTS, seconds: float = SECONDS) -> Difference:
    """A difference as small as was found within `tests` and `seconds`."""
    search = Search(machines, found, tests, seconds)
    before: tuple[Operation, ...] | None = None
    while before != (before := search.operations) and not search.over:
        _remove(search)
        _simplify(search)
    return search.best


def _remove(search: Search) -> None:
    """Runs of operations, first long ones, from the end."""
    width = max(len(search.operations) // 2, 1)
    while width and not search.over:
        at = len(search.operations) - width
        while at >= 0 and not search.over:
            now = search.operations
            search.better(now[:at] + now[at + width :])
            at = min(at - width, len(search.operations) - 1)
        width //= 2


def _simplify(search: Search) -> None:
    """Each operation for itself."""
    for at in range(len(search.operations) - 1, -1, -1):
        for plainer in _PLAINER:
            now = search.operations
            if at < len(now) and (one := plainer(now[at])) != now[at]:
                search.better((*now[:at], one, *now[at + 1 :]))


def _plain(value: Value) -> Value:
    """A value of zeros."""
    return bytes(len(value)) if isinstance(value, bytes) else [bytes(len(one)) for one in value]


_PLAINER: tuple[Callable[[Operation], Operation], ...] = (
    lambda one: replace(one, cpu=0),
    lambda one: replace(one, flags=0),
    lambda one: replace(one, number=0),
    lambda one: replace(one, key=bytes(len(one.key))),
    lambda one: replace(one, value=_plain(one.value)),
)
