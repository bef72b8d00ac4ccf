"""Random functions on structs and arrays end in the emulator's tiers as in CPython."""

from __future__ import annotations

from tests.unit.compiler.memory_programs import compare


def test_random_functions_on_structs_and_arrays() -> None:
    seen = compare(range(40), ("interp", "portable"))
    print(dict(seen))
    assert seen["functions"] >= 36
    assert seen["faults"] >= 1
