"""`bpfvm plugin --engine kernel`: the programs of the emulators' test, and what the verifier says of others."""

from __future__ import annotations

import pytest

from bpfvm.cli import status
from tests.unit.cli.test_plugin import PROGRAMS, Captured, code, given

WIDE_SHIFT = "33"  # a constant shift that the kernel refuses and everyone else masks


def test_r0_is_the_same_in_the_kernel(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    ran = 0
    for text, memory, r0 in PROGRAMS:
        if WIDE_SHIFT not in text:
            given(monkeypatch, code(text))
            assert status(["plugin", *([memory] if memory else []), "--engine", "kernel"]) == 0, text
            assert capsys.readouterr() == (f"{r0}\n", ""), text
            ran += 1
    print(f"{ran} programs")
    assert ran >= 9


def test_a_refusal_is_one_line_that_says_where_the_program_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(monkeypatch, code("mov32 %r0, 8\nlsh32 %r0, 33\nexit"))
    assert status(["plugin", "--engine", "kernel"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "bpfvm: invalid shift 33, at instruction 9: w0 <<= 33 (the program begins at instruction 8)\n"
