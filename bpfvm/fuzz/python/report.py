"""What a run over random functions has found so far, as numbers and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.fuzz.python.run import Difference
from bpfvm.fuzz.python.subject import FUNCTIONS, Subject


@dataclass(slots=True)
class Report:
    """generated: programs made. compared: those that every engine ran. runs: inputs that they ran on.

    rejected: why one was not compared -> how many. unproved: kinds of E040 without a witness -> how many; `witnessed`
    counts those with one. ops, constructs: what the compared programs are made of.
    """

    engines: tuple[str, ...]
    seed: int
    subject: Subject = FUNCTIONS
    generated: int = 0
    compared: int = 0
    runs: int = 0
    seconds: float = 0.0
    witnessed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unproved: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)
    constructs: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def refused(self) -> dict[str, int]:
        """What verifiers refused of what was compiled: why -> how many."""
        return {reason: count for reason, count in self.rejected.items() if reason.startswith("kernel")}

    @property
    def acceptance(self) -> float:
        """The part of the programs that was compared."""
        return (self.compared + len(self.differences)) / self.generated if self.generated else 1.0

    def add(self, part: Report) -> None:
        """Put in what another worker found."""
        for name in ("generated", "compared", "runs", "witnessed"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        for name in ("rejected", "unproved", "faults", "ops", "constructs", "levels"):
            getattr(self, name).update(getattr(part, name))
        self.differences += part.differences

    def rare(self, least: int) -> dict[str, int]:
        """Operations and constructs of the tables that were met less often."""
        wanted = [(name, self.ops) for name in IR_OPS if name not in self.subject.unused_ops]
        wanted += [(name, self.constructs) for name in self.subject.constructs if name not in self.subject.unmade]
        return {name: counts[name] for name, counts in wanted if counts[name] < least}

    def document(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "engines": list(self.engines), "seed": self.seed, "generated": self.generated, "compared": self.compared,
            "runs": self.runs, "seconds": round(self.seconds, 3), "acceptance": round(self.acceptance, 6),
            "levels": dict(self.levels), "rejected": dict(self.rejected.most_common()),
            "witnessed": self.witnessed, "unproved": dict(self.unproved.most_common()),
            "faults": dict(self.faults.most_common()), "ops": dict(self.ops.most_common()),
            "constructs": dict(self.constructs.most_common()),
            "differences": [
                {"case": one.case.name, "kind": one.kind, "level": one.level, "input": one.input,
                 "lines": list(one.lines)} for one in self.differences
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        refused = sum(count for reason, count in self.rejected.items() if reason.startswith("compiler"))
        lines = [
            f"seed {self.seed}, engines {', '.join(self.engines)}: {self.generated} {self.subject.noun}, "
            f"{self.compared} compared on {self.runs} inputs in {self.seconds:.1f} s; "
            f"acceptance {100 * self.acceptance:.2f} %",
            f"  levels {_counts(self.levels)}; ends {_counts(self.faults)}",
            f"  refused by the compiler {refused}; E040 with a witness {self.witnessed}, without "
            f"{self.unproved.total()}",
        ]
        lines += [f"  no witness {count:>5}: {kind}" for kind, count in self.unproved.most_common()]
        lines += [f"  not compared {count:>5}: {reason}" for reason, count in self.rejected.most_common()]
        ops = [name for name in IR_OPS if name not in self.subject.unused_ops]
        for what, counts, table in (
            ("IR operations", self.ops, ops),
            ("constructs", self.constructs, self.subject.constructs),
        ):
            known = {name: counts[name] for name in table}
            least = sorted(known.items(), key=lambda row: row[1])[:6]
            lines.append(f"  {len(known)} {what}, the rarest {', '.join(f'{name} {count}' for name, count in least)}")
        lines += [
            f"  made elsewhere: {name:<16} {why}"
            for name, why in (*self.subject.unused_ops.items(), *self.subject.unmade.items())
        ]
        lines.append(f"  {len(self.differences)} differences")
        return "\n".join([*lines, *(f"  {one}" for one in self.differences)])

    def listing(self) -> str:
        """A line for each IR operation and each construct, with its count."""
        rows = [
            *((self.ops[name], name) for name in IR_OPS),
            *((self.constructs[name], name) for name in self.subject.constructs),
        ]
        return "\n".join(f"{count:>8} {name}" for count, name in sorted(rows))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
