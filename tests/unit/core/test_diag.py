"""Diagnostics: their text, and what a SyntaxError carries of them."""

from __future__ import annotations

import pickle
import re
import traceback

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


def lines(span: Span) -> list[str]:
    """The source lines of a diagnostic, and the marks under them."""
    return str(Diag("E040", "x", span)).split("\n")[1:]


def test_a_span_of_several_lines_is_marked_on_each() -> None:
    span = Span("f.py", 1, 4, 3, 3, "\tx = (a  ", ("\t\t + b", "  + c)"))
    assert lines(span) == [
        "    1 | \tx = (a",
        "      | \t   ^^^",
        "    2 | \t\t + b",
        "      | \t\t ^^^",
        "    3 |   + c)",
        "      |   ^",
    ]


def test_the_middle_of_a_long_span_is_left_out() -> None:
    rows = tuple(f"    a{number}," for number in range(2, 9))
    assert [row[:9].rstrip() for row in lines(Span("f.py", 1, 0, 8, 6, "f(", rows))[::2]] == [
        "    1 | f", "    2 |", "    3 |", "      | .", "      |",
    ]  # fmt: skip
    assert lines(Span("f.py", 1, 0, 8, 6, "f(", rows))[-2:] == ["    8 |     a8,", "      |     ^^"]


def test_a_span_whose_other_lines_are_not_known_is_marked_to_the_end_of_its_first() -> None:
    assert lines(Span("f.py", 1, 4, 3, 1, "\tx = (\n")) == ["    1 | \tx = (", "      | \t   ^^"]


@pytest.mark.parametrize(
    ("text", "start", "end", "shown", "marks"),
    [
        ("変数 = 値 + 1", 5, 10, "変数 = 値 + 1", " " * 7 + "^" * 6),
        ("e\u0301t\u00e9 + x", 7, 8, "e\u0301t\u00e9 + x", " " * 6 + "^"),
        ("\x0cx\x1b[2J + \ud800", 1, 2, " x\ufffd[2J + \ufffd", " ^"),
        ("x", 1, 1, "x", " ^"),
    ],
)
def test_marks_stand_under_what_a_terminal_shows(text: str, start: int, end: int, shown: str, marks: str) -> None:
    assert lines(Span("f.py", 1, start, 1, end, text)) == [f"    1 | {shown}", f"      | {marks}"]


def test_a_message_is_one_line() -> None:
    assert str(Diag("E010", "no `a\x1b\nb`", None)) == "error[E010]: no `a\\x1b\\nb`"


def test_colour_adds_sequences_and_nothing_else() -> None:
    diag = Diag("W130", "always", SPAN, why="unsigned", help="drop it", notes=(Note("here"),))
    coloured = diag.text(colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == str(diag)
    assert coloured.count("\x1b[0m") == 8
    assert "\x1b[1;35mwarning[W130]:\x1b[0m" in coloured


def test_what_python_prints_of_a_compile_error_holds_all_of_it() -> None:
    odd, wide = Diag("W110", "odd", None), Diag("E040", "too wide", SPAN, help="u64(n)")
    error = CompileError([odd, wide, Diag("E050", "unbound", SPAN)])
    assert (error.msg, error.lineno) == ("[E040] too wide", 14)  # not the warning before it
    text = "".join(traceback.format_exception_only(error))
    assert "    if n * n * size > limit:\n       ^^^^^^^^^^^^\n" in text
    assert "CompileError: [E040] too wide\n  help: u64(n)\n" in text
    assert "warning[W110]: odd" in text
    assert "rate.py:14:8: error[E050]: unbound" in text


def test_a_compile_error_goes_through_pickle() -> None:
    error = CompileError([Diag("E040", "too wide", SPAN, why="wide"), Diag("W110", "odd", None)])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.diags, again.__notes__) == (str(error), error.diags, error.__notes__)


def test_unknown_codes_are_refused() -> None:
    with pytest.raises(KeyError, match="E999"):
        Diag("E999", "no such code", None)
