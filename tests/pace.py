"""Limits of time for what must end soon, by how fast this machine is now: tests find what grows, not who is slow."""

from __future__ import annotations

import time

_TURNS, _REFERENCE = 300_000, 0.010  # of a loop of additions, and the CPU time that limits were set by


def _spent() -> float:
    start, total = time.thread_time(), 0
    for number in range(_TURNS):
        total += number
    return time.thread_time() - start


def seconds(limit: float) -> float:
    """`limit` seconds of CPU on a machine that makes 30 million additions in a second; more on a slower one."""
    return limit * max(1.0, *(_spent() / _REFERENCE for _ in range(3)))
