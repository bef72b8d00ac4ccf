"""What of a file could not be read: how often, how much, where and why.

A damaged capture is read as far as it can be; what is missing is counted in full, and told in words for the first
places only, so that no file makes the list long.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.core.amounts import octets

TOLD = 20  # places that are told in words


@dataclass(slots=True)
class Losses:
    """places: how often something was lost. bytes: how much. told: offset and reason of the first places."""

    places: int = 0
    bytes: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, offset: int, size: int, reason: str) -> None:
        """`size` bytes from `offset` on are not read."""
        self.places += 1
        self.bytes += size
        if self.places <= TOLD:
            self.told.append(f"offset {offset}: {reason}; {size} bytes are not read")

    def clear(self) -> None:
        self.places = self.bytes = 0
        self.told.clear()

    @property
    def lines(self) -> list[str]:
        """All of it in words; [] when nothing was lost."""
        more = self.places - len(self.told)
        total = f"{self.places} places are damaged, {octets(self.bytes)} in all were not read"
        return [*self.told, total] if more else list(self.told)
