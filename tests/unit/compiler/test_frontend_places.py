"""Where diagnostics point, whatever a file is written in: tabs, wide characters, line ends, encodings, long lines."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from bpfvm.compiler import compile_program
from bpfvm.core.diag import CompileError, Diag
from bpfvm.lang import hooks

_NUMBERS = itertools.count()
HEAD = "from bpfvm import *\n"


def errors(folder: Path, data: bytes) -> Sequence[Diag]:
    """The errors of the file's `program`."""
    path = folder / f"module_{next(_NUMBERS)}.py"
    path.write_bytes(data)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(CompileError) as found:
        compile_program(module.program, hooks.function())
    return found.value.diags


def marked(diag: Diag) -> str:
    """What stands over the carets, line by line; carets as wide as the text, whatever a terminal makes of it."""
    assert diag.span is not None
    lines = (diag.span.text, *diag.span.more)
    first, last = diag.span.col, diag.span.end_col
    if len(lines) == 1:
        return lines[0][first:last]
    return "\n".join([lines[0][first:], *(line.strip() for line in lines[1:-1]), lines[-1][:last].lstrip()])


PROGRAMS = {
    "tabs": "def program(a: u32) -> u32:\n\tif a:\n\t\treturn a +\t(a / 3)\n\treturn 0\n",
    "wide": "def program(a: u32) -> u32:\n    値 = a; 変数 = 'é̂𝕏'; return 値 + (a / 3)\n",
    "form feed": "def program(a: u32) -> u32:\n\x0c    return a + (a / 3)\n",
    "separators": "x = '\\u2028'  # \u2028 \x1c \x85\ndef program(a: u32) -> u32:\n    return a + (a / 3)\n",
    "continued": "def program(a: u32) -> u32:\n    return a + \\\n        (a / 3)\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_same_is_marked_by_any_line_end(tmp_path: Path, name: str, end: str) -> None:
    text = PROGRAMS[name]
    (diag,) = errors(tmp_path, (HEAD + text).replace("\n", end).encode())
    assert (diag.code, marked(diag)) == ("E042", "a / 3")
    assert diag.span is not None
    assert diag.span.line == HEAD.count("\n") + text[: text.index("a / 3")].count("\n") + 1
    assert "\r" not in str(diag)
    assert str(diag).splitlines()[2].count("^") == 5


@pytest.mark.parametrize(
    ("encoding", "cookie"),
    [
        ("utf-8", ""), ("utf-8-sig", ""), ("latin-1", "# -*- coding: latin-1 -*-\n"), ("cp1252", "# coding=cp1252\n"),
        ("shift_jis", "# vim: set fileencoding=shift_jis :\n"), ("euc-jp", "# coding: euc-jp\n"),
    ],
)  # fmt: skip
def test_columns_are_characters_in_any_encoding(tmp_path: Path, encoding: str, cookie: str) -> None:
    word = "値" if encoding in ("shift_jis", "euc-jp") else "é"
    line = f"    {word} = '{word * 3}'; return a + (a / 3)"
    text = f"{cookie}{HEAD}def program(a: u32) -> u32:\n{line}\n"
    (diag,) = errors(tmp_path, text.encode(encoding))
    assert marked(diag) == "a / 3"
    assert diag.span is not None
    assert (diag.span.text, diag.span.col) == (line, line.index("a / 3"))
    assert "\ufeff" not in str(diag)


def test_a_span_of_several_lines(tmp_path: Path) -> None:
    text = HEAD + "def program(a: u32) -> u32:\n    return a + ((a +\n\n        1  # one\n    ) / 3) + (\n  missing)\n"
    division, missing = errors(tmp_path, text.encode())
    assert marked(division) == "(a +\n\n1  # one\n) / 3"
    assert str(division).splitlines()[1:-2] == [
        "    3 |     return a + ((a +",
        "      |                 ^^^^",
        "    4 |",
        "    5 |         1  # one",
        "      |         ^",
        "    6 |     ) / 3) + (",
        "      |     ^^^^^",
    ]
    assert marked(missing) == "missing"


def test_spans_end_with_the_name_that_is_wrong(tmp_path: Path) -> None:
    text = HEAD + "import socket\n\ndef program(a: u32) -> u32:\n    return a + (socket\n        .IPPROTO_NOPE)\n"
    (diag,) = errors(tmp_path, text.encode())
    assert marked(diag) == "IPPROTO_NOPE"
