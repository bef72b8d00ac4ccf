"""Random functions on structs and arrays: the kernel takes them, and they end as in CPython."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.compiler.memory_programs import compare


def test_random_functions_on_structs_and_arrays(size: Callable[[int, int], int]) -> None:
    count = size(60, 2000)
    seen = compare(range(10_000, 10_000 + count), ("kernel",))
    print(dict(seen))
    assert seen["functions"] >= 0.9 * count
    assert seen["faults"] >= 1
