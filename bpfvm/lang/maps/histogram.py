"""Histograms: by powers of two, slot i counts the values from 2**i on, up to the next power; or by equal steps. One, or
one under each key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.maps.keyed import MOST, Array, Counter
from bpfvm.lang.types.scalars import u32, u64
from bpfvm.lang.types.structs import StructType, struct
from bpfvm.lang.userspace.tables import linear_text, log2_text

MOST_SLOTS = 64  # of a 64-bit number: one for each bit
MOST_STEPS = 1 << 16


class Histogram(Array):
    """An array of counters: `h.add(v)` counts v in slot log2(v), 0 in the first; the last takes all that is larger.

    step: slots of equal width in place of powers of two: v is counted in slot v // step.
    """

    def __init__(
        self, slots: int = MOST_SLOTS, name: str | None = None, *, step: int = 0, percpu: bool = False
    ) -> None:  # fmt: skip
        _check("Histogram", slots, step)
        self.step = step
        super().__init__(u64, slots, name, percpu=percpu)

    def add(self, value: Any) -> None:  # type: ignore[override]
        """Count a number of 0 or more."""
        self[_slot(self.called, value, self.step, self.max_entries)] += 1

    def counts(self) -> list[int]:
        """In user space: of each slot; those of all CPUs are added up."""
        return [sum(one) if isinstance(one, list) else one for one in self.values()]

    def text(self, unit: str = "value") -> str:
        """In user space: rows of stars, up to the last slot that counts; "" where nothing was counted."""
        return _text(self.counts(), unit, self.step)

    def print(self, unit: str = "value") -> None:
        """Write that to standard output, and that nothing was counted."""
        sys.stdout.write(self.text(unit) or f"{self.called}: nothing was counted\n")


class Histograms(Counter):
    """A histogram under each key, as many as there are keys: `h.add(k, v)` counts v in one of the slots of k.

    It is a hash of what was counted, whose keys have the members `key` and `slot`. slots, step: as of Histogram.
    max_entries: of slots that count, of all keys together.
    """

    key: StructType

    def __init__(
        self, key: Any, slots: int = MOST_SLOTS, max_entries: int = MOST, name: str | None = None, *, step: int = 0,
        lru: bool = False,
    ) -> None:  # fmt: skip
        _check("Histograms", slots, step)
        self.slots, self.step = slots, step
        fields: dict[str, Any] = {"__annotations__": {"key": key, "slot": u32}, "__module__": __name__}
        place: Any = struct(type("Slot", (), fields))
        super().__init__(place, u64, max_entries, name, lru=lru)

    def add(self, key: Any, value: Any) -> None:
        """Count a number of 0 or more under a key."""
        made: Any = self.key
        self[made(key=key, slot=_slot(self.called, value, self.step, self.slots))] += 1

    def counts(self, key: Any) -> list[int]:
        """In user space: of each slot of a key's histogram."""
        return self.histograms().get(key, [0] * self.slots)

    def histograms(self) -> dict[Any, list[int]]:
        """In user space: the counts of each slot by key, the key that counted most first."""
        found: dict[Any, list[int]] = {}
        for place, count in self.items():
            found.setdefault(place.key, [0] * self.slots)[place.slot] = count
        return dict(sorted(found.items(), key=lambda pair: -sum(pair[1])))

    def text(self, unit: str = "value", called: str = "key", shown: Callable[[Any], object] | None = None) -> str:
        """In user space: each key as `called = key`, and its rows of stars. shown: what is written of a key."""
        rows = (
            f"{called} = {(shown or _plain)(key)}\n{_text(counts, unit, self.step)}"
            for key, counts in self.histograms().items()
        )
        return "\n".join(rows)

    def print(self, unit: str = "value", called: str = "key", shown: Callable[[Any], object] | None = None) -> None:
        """Write that to standard output, or that nothing was counted."""
        sys.stdout.write(self.text(unit, called, shown) or f"{self.called}: nothing was counted\n")


def _check(made: str, slots: int, step: int) -> None:
    most = MOST_STEPS if step else MOST_SLOTS
    if not isinstance(slots, int) or not 0 < slots <= most:
        raise UsageError(f"{made}: there are 1 to {most} slots, not {slots!r}")
    if not isinstance(step, int) or not 0 <= step < 1 << 31:
        raise UsageError(f"{made}: step={step!r}: it is a number from 1 to 2**31 - 1, or 0 for powers of two")


def _slot(called: str, value: Any, step: int, slots: int) -> int:
    """Which slot counts a value."""
    if not isinstance(value, int):
        raise TypeError(f"{called}.add takes an integer, not {type(value).__name__}")
    if value < 0:
        raise OverflowError(f"{called}.add takes no negative number")
    return min(int(value) // step if step else (int(value) | 1).bit_length() - 1, slots - 1)


def _text(counts: list[int], unit: str, step: int) -> str:
    return linear_text(counts, unit, step) if step else log2_text(counts, unit)


def _plain(key: Any) -> object:
    return key.decode(errors="replace") if isinstance(key, bytes) else key
