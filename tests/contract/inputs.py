"""Arguments for functions of scalars: the edges of their parameters' types, combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bpfvm.lang.functions.callee import callee
from bpfvm.lang.functions.signature import signature
from bpfvm.lang.types.interval import Interval

F = TypeVar("F", bound=Callable[..., Any])
Case = tuple[Callable[..., Any], list[tuple[int, ...]]]

RUNS = 12  # of a function that says nothing else
NEAR = (0, 1, -1, 2, 3, -3, 5, 7, 8, 63, 64, 65, 100, -128, 127, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63)


class Corpus:
    """The functions of one module. `case` notes one: `@case` with inputs made here, `@case((1, 2), (3, 4))` with its
    own, which make more than `RUNS` runs together."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def __call__(self, *inputs: tuple[int, ...] | int) -> Callable[[F], F]:
        own = [one if isinstance(one, tuple) else (one,) for one in inputs]

        def note(function: F) -> F:
            self.cases.append((function, own or edges(function)))
            return function

        return note


def edges(function: Callable[..., Any]) -> list[tuple[int, ...]]:
    """Edge values of every parameter, each beside edges of the others."""
    ranges = [scalar.range for _, scalar in signature(callee(function)).params]
    columns = [_values(one) for one in ranges]
    made = [tuple(one.lo for one in ranges), tuple(one.hi for one in ranges)]
    for run in range(RUNS if ranges else 0):
        made.append(tuple(column[(run * (at + 1) + at * 5) % len(column)] for at, column in enumerate(columns)))
    return list(dict.fromkeys(made))


def _values(range: Interval) -> list[int]:
    """Numbers near 0, near powers of 2 and near both ends."""
    ends = (range.lo, range.lo + 1, range.hi, range.hi - 1)
    return [one for one in dict.fromkeys((*NEAR, *ends)) if one in range]
