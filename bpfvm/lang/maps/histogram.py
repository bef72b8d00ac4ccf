"""A histogram by powers of two: slot i counts the values from 2**i on, up to the next power."""

from __future__ import annotations

from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.maps.keyed import Array
from bpfvm.lang.types import u64

MOST_SLOTS = 64  # of a 64-bit number: one for each bit


class Histogram(Array):
    """An array of counters: `h.add(v)` counts v in slot log2(v), 0 in the first; the last takes all that is larger."""

    def __init__(self, slots: int = MOST_SLOTS, name: str | None = None, *, percpu: bool = False) -> None:
        if not isinstance(slots, int) or not 0 < slots <= MOST_SLOTS:
            raise UsageError(f"Histogram: there are 1 to {MOST_SLOTS} slots, not {slots!r}")
        super().__init__(u64, slots, name, percpu=percpu)

    def add(self, value: Any) -> None:  # type: ignore[override]
        """Count a number of 0 or more."""
        if not isinstance(value, int):
            raise TypeError(f"{self.called}.add takes an integer, not {type(value).__name__}")
        if value < 0:
            raise OverflowError(f"{self.called}.add takes no negative number")
        self[min((int(value) | 1).bit_length() - 1, self.max_entries - 1)] += 1
