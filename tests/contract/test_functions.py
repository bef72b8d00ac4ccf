"""Functions of scalars on every machine there is: CPython, the emulator, and the kernel where it is allowed."""

from __future__ import annotations


def test_check_agrees_on_functions() -> None:
    from bpfvm import bpf
    from tests.programs import functions, loops

    compared, cases = 0, [*functions.CASES, *loops.CASES]
    for function, inputs in cases:
        program = bpf.function(function)
        for given in inputs:
            outcome = program.check(*given)
            assert {"cpython", "interp"} <= set(outcome.engines)
            compared += 1
    print(f"{len(cases)} functions, {compared} inputs compared")
    assert len(cases) >= 50
    assert compared >= 300
