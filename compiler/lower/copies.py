"""Parallel copies: several registers get new values at once, some of them from one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def sequence(moves: Sequence[tuple[int, int]], fresh: Callable[[], int]) -> list[tuple[int, int]]:
    """The same as `moves` (destination, source), one after the other. `fresh` gives a register for each cycle."""
    waiting = {dst: src for dst, src in moves if dst != src}
    out = []
    while waiting:
        needed = set(waiting.values())
        free = next((dst for dst in waiting if dst not in needed), None)
        if free is None:  # only cycles are left: put one register aside
            dst = next(iter(waiting))
            aside = fresh()
            out.append((aside, dst))
            waiting = {to: aside if src == dst else src for to, src in waiting.items()}
        else:
            out.append((free, waiting.pop(free)))
    return out
