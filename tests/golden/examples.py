"""The examples of bpfvm/core/explanations.txt, compiled."""

from __future__ import annotations

import linecache
import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bpfvm.compiler import compile_program
from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.explain import PRELUDE
from bpfvm.core.span import Span
from bpfvm.program import Program


def diagnostics(text: str) -> Sequence[Diag]:
    """What compiling the one program of an example gives. Lines are those of the example."""
    file, whole = "example.py", PRELUDE + text + "\n"
    linecache.cache[file] = (len(whole), None, whole.splitlines(keepends=True), file)
    space: dict[str, Any] = {}
    exec(compile(whole, file, "exec"), space)
    programs = [one for one in space.values() if isinstance(one, Program)]
    assert len(programs) == 1
    try:
        function, hook = programs[0].function, programs[0].hook
        assert isinstance(function, types.FunctionType)
        assert hook is not None
        return compile_program(function, hook).warnings
    except CompileError as error:
        return error.diags
    finally:
        del linecache.cache[file]


def said(diags: Sequence[Diag]) -> str:
    """Their text, with line numbers of the example alone."""
    return "\n\n".join(str(_moved(one)) for one in diags)


def _moved(one: Diag) -> Diag:
    notes = tuple(replace(note, span=_up(note.span)) for note in one.notes)
    return replace(one, span=_up(one.span), notes=notes)


def _up(span: Span | None) -> Span | None:
    before = PRELUDE.count("\n")
    return replace(span, line=span.line - before, end_line=span.end_line - before) if span is not None else None
