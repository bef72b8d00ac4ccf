"""What came of comparing many cases on one machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Comparison:
    """Cases on one machine. counts: by what they are ("cases", "runs"); wrong: a line each.

    refused: those that the machine must refuse, in words that are stated, and did. elsewhere: why so many could not be
    asked here.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    refused: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """For people: how many of what, and why not the others."""
        compared = ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing"
        reasons = "".join(f"\n    {count} not asked: {reason}" for reason, count in sorted(self.elsewhere.items()))
        return f"{compared} compared; {self.refused} refused as they must be{reasons}"
