"""What a fuzzing run has found so far, as numbers and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.fuzz.case import Case
from bpfvm.fuzz.trace import Hits

_SHOWN = 5  # rows that were executed least


@dataclass(frozen=True, slots=True)
class Difference:
    """One case on which machines do not agree.

    kind: "value" (r0, memory, maps), "fault" (one ended early), "refused" (one did not load it), "crash" (one raised
    what is no BpfvmError). lines: what differs, for a person. input: which of the case's inputs it was, None at load
    and for maps. code: the bytes of a program that does not even decode.
    """

    case: Case
    kind: str
    lines: tuple[str, ...]
    input: int | None = None
    code: bytes | None = None

    def __str__(self) -> str:
        return f"case {self.case.name}: {self.kind}: {'; '.join(self.lines)}"


@dataclass(slots=True)
class Report:
    """compared: programs that every engine ran. runs: inputs that they ran on.

    rejected: why a program was not compared -> how many. hits: what the reference tier executed, empty without it.
    """

    engines: tuple[str, ...]
    seed: int
    generated: int = 0
    compared: int = 0
    runs: int = 0
    seconds: float = 0.0
    rejected: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    trace: Hits = field(default_factory=Hits)

    @property
    def hits(self) -> Mapping[str, int]:
        """Row -> times that the reference tier executed it, in the compared programs and those that were refused."""
        return self.trace.ran

    @property
    def acceptance(self) -> float:
        """The part of the programs that was compared."""
        return (self.compared + len(self.differences)) / self.generated if self.generated else 1.0

    def add(self, part: Report) -> None:
        """Put in what another worker found."""
        for name in ("generated", "compared", "runs"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.rejected.update(part.rejected)
        self.differences += part.differences
        self.trace.add(part.trace)

    def document(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "engines": list(self.engines),
            "seed": self.seed,
            "generated": self.generated,
            "compared": self.compared,
            "runs": self.runs,
            "seconds": round(self.seconds, 3),
            "acceptance": round(self.acceptance, 6),
            "rejected": dict(self.rejected.most_common()),
            "hits": dict(self.trace.ran.most_common()),
            "taken": dict(self.trace.taken.most_common()),
            "differences": [
                {"case": one.case.name, "kind": one.kind, "input": one.input, "lines": list(one.lines)}
                for one in self.differences
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}, engines {', '.join(self.engines)}: {self.generated} programs, {self.compared} compared "
            f"on {self.runs} inputs in {self.seconds:.1f} s; acceptance {100 * self.acceptance:.2f} %",
        ]
        left_out = "not compared" if len(self.engines) > 1 else "ended early"
        lines += [f"  {left_out} {count:>6}: {reason}" for reason, count in self.rejected.most_common()]
        if self.trace.ran:
            least = ", ".join(f"{name} {count}" for name, count in self.trace.ran.most_common()[: -_SHOWN - 1 : -1])
            lines.append(f"  {self.trace.ran.total()} instructions of {len(self.trace.ran)} rows; least often {least}")
        lines.append(f"  {len(self.differences)} differences")
        lines += [f"  {one}" for one in self.differences]
        return "\n".join(lines)
