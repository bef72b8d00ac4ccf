"""Limits of time for what must end soon, by how fast this machine is now: tests find what grows, not who is slow."""

from __future__ import annotations

import time
from collections.abc import Callable

_TURNS, _OBJECTS = 300_000, 20_000  # of a loop of additions; of objects that are made and found


def _adding() -> int:
    total = 0
    for number in range(_TURNS):
        total += number
    return total


def _making() -> int:
    """Who shares memory and its caches with others is slow at this, and as fast as ever at adding."""
    made: dict[int, tuple[int, object, str]] = {}
    for number in range(_OBJECTS):
        made[number] = number, made.get(number - 1), str(number)
    return sum(len(text) for _, _, text in made.values())


_REFERENCES: dict[Callable[[], int], float] = {_adding: 0.010, _making: 0.009}  # CPU time that limits were set by


def _spent(work: Callable[[], int]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def seconds(limit: float) -> float:
    """`limit` seconds of CPU on a machine that makes 30 million additions in a second; more on a slower one."""
    return limit * max(1.0, *(_spent(work) / known for work, known in _REFERENCES.items() for _ in range(3)))
