"""Endless loops end everywhere alike: at a limit that is small here."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import bpf, u8, u32
from bpfvm.compiler.frontend.control import iterate, turns
from bpfvm.sim import limits

SMALL = 40


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterate, "LIMIT", SMALL)
    monkeypatch.setattr(turns, "LIMIT", SMALL)
    monkeypatch.setattr(limits, "LIMIT", SMALL)


def endless(n: u8) -> u32:
    x = n
    while True:
        x = (x * 3 + 1) & 0xFFFF


def waits(n: u8) -> u32:
    x = 0
    while x != n:
        x = (x + 2) & 0xFF
    return x


def ranged(n: u32) -> u32:
    x = 0
    for i in range(n):
        x ^= i
    return x


def inner(n: u8) -> u32:
    """Each time that the inner loop is entered it is counted anew; the outer one is not bounded by a count."""
    x = 0
    for i in range(5):
        j = 0
        while j < n:
            j += 1
        x += i + j
    return x


def both(n: u8) -> u32:
    x = 0
    while x < 100:
        y = n & 31
        while y > 0:
            y -= 1
        x += 1
        if x == n:
            break
    return x


def skips(n: u8) -> u32:
    x = n
    while x:
        x = (x + 1) & 0x3F
        if x & 1:
            continue
        x = (x + 2) & 0x3F
    return x


CASES: list[tuple[Any, list[int], int]] = [
    (endless, [0, 7], 2),
    (waits, [0, 2, 78, 80, 82, 3], 2),
    (ranged, [0, 1, 39, 40, 41, 42, 2**32 - 1], 3),
    (inner, [0, 10, 39, 40, 41, 255], 2),
    (both, [0, 3, 30, 39, 40, 41, 255], 3),
    (skips, [0, 1, 62, 63], 2),
]


@pytest.mark.parametrize(("function", "inputs", "faults"), CASES, ids=[case[0].__name__ for case in CASES])
def test_the_limit_is_the_same_on_all_machines(function: Any, inputs: list[int], faults: int) -> None:
    program = bpf.function(function)
    met = 0
    for given in inputs:
        one, two = program.cpython(given), program.emulate(given, engine="interp")
        places = [(end.fault.kind, str(end.fault.source)) if end.fault else None for end in (one, two)]
        assert (one.value, places[0]) == (two.value, places[1]), given
        met += one.fault is not None
    assert met == faults


def test_nothing_is_watched_where_all_turns_are_bounded() -> None:
    import sys

    seen = []

    def watched() -> None:
        if sys.version_info >= (3, 12):
            monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
            seen.append([monitoring.get_tool(one) for one in range(5)])
        else:
            seen.append(sys.gettrace())

    watched()
    with limits.limited([ranged.__code__], set()):
        watched()
    watched()
    assert seen[0] == seen[1] == seen[2]


def test_a_loop_of_its_own_line() -> None:
    lines = {one.line - inner.__code__.co_firstlineno for one in limits.spans(inner.__code__).values()}
    assert lines == {3, 5}
