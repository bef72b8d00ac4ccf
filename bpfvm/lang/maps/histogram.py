"""A histogram: by powers of two, slot i counts the values from 2**i on, up to the next power; or by equal steps."""

from __future__ import annotations

import sys
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.maps.keyed import Array
from bpfvm.lang.types.scalars import u64
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
        most = MOST_STEPS if step else MOST_SLOTS
        if not isinstance(slots, int) or not 0 < slots <= most:
            raise UsageError(f"Histogram: there are 1 to {most} slots, not {slots!r}")
        if not isinstance(step, int) or not 0 <= step < 1 << 31:
            raise UsageError(f"Histogram: step={step!r}: it is a number from 1 to 2**31 - 1, or 0 for powers of two")
        self.step = step
        super().__init__(u64, slots, name, percpu=percpu)

    def add(self, value: Any) -> None:  # type: ignore[override]
        """Count a number of 0 or more."""
        if not isinstance(value, int):
            raise TypeError(f"{self.called}.add takes an integer, not {type(value).__name__}")
        if value < 0:
            raise OverflowError(f"{self.called}.add takes no negative number")
        slot = int(value) // self.step if self.step else (int(value) | 1).bit_length() - 1
        self[min(slot, self.max_entries - 1)] += 1

    def counts(self) -> list[int]:
        """In user space: of each slot; those of all CPUs are added up."""
        return [sum(one) if isinstance(one, list) else one for one in self.values()]

    def text(self, unit: str = "value") -> str:
        """In user space: rows of stars, up to the last slot that counts; "" where nothing was counted."""
        return linear_text(self.counts(), unit, self.step) if self.step else log2_text(self.counts(), unit)

    def print(self, unit: str = "value") -> None:
        """Write that to standard output, and that nothing was counted."""
        sys.stdout.write(self.text(unit) or f"{self.called}: nothing was counted\n")
