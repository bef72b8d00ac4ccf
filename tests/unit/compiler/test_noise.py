"""Rule R2 stays as quiet as it is on plain Python: see benchmarks/noise.py, which counts the tests' functions too."""

from __future__ import annotations

from benchmarks.noise import GOAL, PLAIN, measure


def test_plain_python_is_refused_seldom() -> None:
    found = measure(PLAIN)
    print(f"{found.functions} functions, {found.lines} lines, {len(found.places)} refused, {len(found.right)} rightly")
    for line in (*found.places, *found.right):
        print(line)
    assert (found.functions, found.lines) >= (38, 200)
    assert 100 * len(found.places) / found.lines <= GOAL
    assert len(found.right) >= 2
