"""What tools print: histograms with stars, rows in columns, stacks as one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bpfvm.core.errors import UsageError

_STARS = 40


def log2_text(counts: Sequence[int], unit: str = "value") -> str:
    """A histogram by powers of two. counts: of slot i what was from 2**i on; 0 is in the first."""
    return _histogram([(1 << at if at else 0, (2 << at) - 1) for at in range(len(counts))], counts, unit)


def linear_text(counts: Mapping[int, int] | Sequence[int], unit: str = "value", step: int = 1) -> str:
    """A histogram by equal steps. counts: of slot i what was from i * step on, by number or in order."""
    known = dict(counts) if isinstance(counts, Mapping) else dict(enumerate(counts))
    used = [at for at, count in known.items() if count]
    if not used:
        return ""
    row = range(min(used), max(used) + 1)
    bounds = [(at * step, at * step + step - 1) for at in row]
    return _histogram(bounds, [known.get(at, 0) for at in row], unit, whole=True)


def _histogram(bounds: Sequence[tuple[int, int]], counts: Sequence[int], unit: str, whole: bool = False) -> str:
    """Rows up to the last that counts; whole: all of them."""
    last = len(counts) if whole else max((at + 1 for at, count in enumerate(counts) if count), default=0)
    if not last:
        return ""
    most = max(counts)
    width = max(10, len(str(bounds[last - 1][1])))
    lines = [f"{unit:^{2 * width + 4}} : count     distribution".rstrip()]
    for (low, high), count in zip(bounds[:last], counts, strict=False):
        stars = "*" * (_STARS * count // most)
        lines.append(f"{low:>{width}} -> {high:<{width}} : {count:<8} |{stars:<{_STARS}}|")
    return "".join(f"{line}\n" for line in lines)


def rows_text(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> str:
    """Rows in columns under their names: numbers stand to the right, all else to the left. UsageError for a row that
    has not one value a column."""
    given = [list(row) for row in rows]
    for number, row in enumerate(given, 1):
        if len(row) != len(columns):
            values = f"{len(row)} value{'s' * (len(row) != 1)}"
            raise UsageError(
                f"bpf.table(): row {number} has {values}, and there are {len(columns)} columns: {', '.join(columns)}"
            )
    right = [bool(given) and all(isinstance(row[at], int | float) for row in given) for at in range(len(columns))]
    shown = [[f"{one:.2f}" if isinstance(one, float) else str(one) for one in row] for row in (columns, *given)]
    widths = [max(len(row[at]) for row in shown) for at in range(len(columns))]
    aligned = (
        "  ".join(
            one.rjust(width) if side else one.ljust(width) for one, width, side in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in shown
    )
    return "".join(f"{line}\n" for line in aligned)


def folded(stacks: Iterable[tuple[Sequence[Any], int]]) -> dict[str, int]:
    """Stacks as lines `outermost;…;innermost` with the sum of their counts, in the order of the lines.

    stacks: frames, the outermost first, each with a count.
    """
    found: dict[str, int] = {}
    for frames, count in stacks:
        line = ";".join(str(one).replace(";", ":") for one in frames)
        found[line] = found.get(line, 0) + int(count)
    return dict(sorted(found.items()))


def folded_lines(stacks: Mapping[str, int]) -> Iterator[str]:
    """As other tools read them."""
    return (f"{line} {count}" for line, count in stacks.items())


__all__ = ["folded", "folded_lines", "linear_text", "log2_text", "rows_text"]
