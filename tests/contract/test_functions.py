"""Functions of scalars on every machine there is: CPython, the emulator, and the kernel where it is allowed."""

from __future__ import annotations


def test_check_agrees_on_twenty_functions() -> None:
    from bpfvm import bpf
    from tests.programs.functions import CASES

    compared = 0
    for function, inputs in CASES:
        program = bpf.function(function)
        for given in inputs:
            outcome = program.check(*given)
            assert {"cpython", "interp"} <= set(outcome.engines)
            compared += 1
    print(f"{len(CASES)} functions, {compared} inputs compared")
    assert len(CASES) >= 20
    assert compared >= 100
