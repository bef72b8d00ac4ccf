"""Diagnostics: their text, and what a SyntaxError carries of them."""

from __future__ import annotations

import pytest

from bpfvm.core.diag import CompileError, Diag, Note
from bpfvm.core.errors import BpfvmError
from bpfvm.core.span import Span

LINE = "    if n * n * size > limit:\n"
SPAN = Span("rate.py", 14, 7, 14, 19, LINE)


def test_form() -> None:
    diag = Diag(
        "E040",
        "`n * n * size` may not fit in 64 bits",
        SPAN,
        why="Python integers do not wrap",
        help="wrap explicitly:\nif u64(n * n * size) > limit:",
        notes=(Note("declared here", Span("rate.py", 2, 0, 2, 4, "size = 1")),),
    )
    assert str(diag).splitlines() == [
        "rate.py:14:8: error[E040]: `n * n * size` may not fit in 64 bits",
        "   14 |     if n * n * size > limit:",
        "      |        ^^^^^^^^^^^^",
        "  note: rate.py:2:1: declared here",
        "  why: Python integers do not wrap",
        "  help: wrap explicitly:",
        "        if u64(n * n * size) > limit:",
    ]


def test_a_compile_error_is_a_syntax_error() -> None:
    error = CompileError([Diag("E040", "too wide", SPAN), Diag("W110", "odd", None)])
    assert isinstance(error, SyntaxError)
    assert isinstance(error, BpfvmError)
    assert (error.filename, error.lineno, error.offset, error.end_offset) == ("rate.py", 14, 8, 20)
    assert error.text == LINE
    assert str(error).endswith("warning[W110]: odd")


def test_a_span_of_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    assert Span("f.py", 1, 4, 3, 1, "\tx = (\n").underline == "\t   " + "^" * 2


def test_unknown_codes_are_refused() -> None:
    with pytest.raises(KeyError, match="E999"):
        Diag("E999", "no such code", None)
