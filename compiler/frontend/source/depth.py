"""Deep nesting: room for it on Python's stack, and E065 where that is not enough."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.machine import Location
from bpfvm.core.span import Span

_FRAMES = 40_000  # of Python; an expression takes a dozen for each of its levels


@contextmanager
def room(function: types.FunctionType) -> Iterator[None]:
    """Let what is called inside go as deep as CPython's own compiler goes. Raises CompileError for what goes deeper."""
    limit, code = sys.getrecursionlimit(), function.__code__
    sys.setrecursionlimit(max(limit, _FRAMES))
    try:
        yield
    except RecursionError:
        raise CompileError([_too_deep(Location(code.co_filename, code.co_firstlineno, 1))]) from None
    finally:
        sys.setrecursionlimit(limit)


def _too_deep(place: Location) -> Diag:
    return Diag(
        "E065",
        "the function is nested too deeply",
        Span.of_line(place),
        why="each operator, bracket, elif and call of a function is a level, and there is room for some thousands",
        help="give parts of it names, or split it into functions",
    )
