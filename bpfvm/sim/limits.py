"""The bound of a loop's turns in CPython, where nothing but a count can end an endless loop.

Backward jumps are counted, each loop's from where it is entered anew: by an own tool of sys.monitoring from Python 3.12
on, by sys.settrace on 3.11 and only where nobody else traces. Loops whose turns the compiler bounded are not watched.
The count is of jumps, so a turn that `continue` ended counts before its test: at the limit itself, what the last turn
stored may differ by one turn from the compiled program's.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.faults import LoopLimit

TEXT = f"the loop has made {LIMIT} turns"
_NAME = "bpfvm"


@dataclass(frozen=True, slots=True)
class Span:
    """One loop of a code object. start, end: offsets of its first and last instruction. line: of its statement.

    most: jumps back that it may make: of a `for`, which is left by its head, one more than of a `while`.
    """

    start: int
    end: int
    line: int
    most: int


def spans(code: types.CodeType) -> dict[int, Span]:
    """The loops of `code` by their first instruction."""
    found: dict[int, Span] = {}
    lines: dict[int, int] = {}
    names: dict[int, str] = {}
    for one in dis.get_instructions(code):
        names[one.offset] = one.opname
        if one.positions is not None and one.positions.lineno is not None:
            lines[one.offset] = one.positions.lineno
        if one.opcode in dis.hasjrel and one.argval < one.offset:
            before = found.get(one.argval)
            end = max(one.offset, before.end if before else 0)
            inside = [line for at, line in lines.items() if one.argval <= at <= end]
            most = LIMIT if names[one.argval] == "FOR_ITER" else LIMIT - 1
            found[one.argval] = Span(one.argval, end, min(inside), most)
    return found


class Turns:
    """The counts of one run. watched: for each code object a function that is told where a jump back goes to, or None
    where the function begins."""

    def __init__(self, codes: Collection[types.CodeType], sites: Collection[tuple[str, int]]) -> None:
        """sites: file and line of each loop that is bounded by its count alone."""
        self.watched: dict[types.CodeType, Callable[[int | None], None]] = {}
        for code in codes:
            loops = spans(code)
            if any((code.co_filename, one.line) in sites for one in loops.values()):
                self.watched[code] = _counter(code, loops, sites)


def _counter(
    code: types.CodeType, loops: Mapping[int, Span], sites: Collection[tuple[str, int]]
) -> Callable[[int | None], None]:  # fmt: skip
    """Counts jumps back in one code object. LoopLimit for one too many."""
    fresh = dict.fromkeys(loops, 0)
    counts = dict(fresh)
    most = {to: one.most if (code.co_filename, one.line) in sites else sys.maxsize for to, one in loops.items()}
    inner = {to: [other for other in loops if to < other <= one.end] for to, one in loops.items()}

    def jumped(to: int | None) -> None:
        if to is None:
            counts.update(fresh)
            return
        count = counts[to] = counts[to] + 1
        if count > most[to]:
            error = LoopLimit(TEXT)
            error.file, error.line = code.co_filename, loops[to].line
            raise error
        for other in inner[to]:  # it is entered anew
            counts[other] = 0

    return jumped


@contextmanager
def limited(codes: Collection[types.CodeType], sites: Collection[tuple[str, int]]) -> Iterator[None]:
    """Count the turns of loops in `codes` until the block ends. LoopLimit is raised in the function that loops."""
    turns = Turns(codes, sites) if sites else None
    if turns is None or not turns.watched:
        yield
    elif sys.version_info >= (3, 12):
        with _monitored(turns):
            yield
    elif sys.gettrace() is None:
        sys.settrace(_tracer(turns))
        try:
            yield
        finally:
            sys.settrace(None)
    else:
        yield


@contextmanager
def _monitored(turns: Turns) -> Iterator[None]:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool = next((one for one in (3, 4, 1, 2) if monitoring.get_tool(one) is None), None)
    if tool is None:  # all are in use by others
        yield
        return
    monitoring.use_tool_id(tool, _NAME)
    jump, start, watched = monitoring.events.JUMP, monitoring.events.PY_START, turns.watched

    def jumped(code: types.CodeType, offset: int, to: int) -> Any:
        if to > offset:
            return monitoring.DISABLE
        watched[code](to)
        return None

    try:
        monitoring.register_callback(tool, jump, jumped)
        monitoring.register_callback(tool, start, lambda code, _: watched[code](None))
        for code in turns.watched:
            monitoring.set_local_events(tool, code, jump | start)
        yield
    finally:
        for code in turns.watched:
            monitoring.set_local_events(tool, code, 0)
        monitoring.register_callback(tool, jump, None)
        monitoring.register_callback(tool, start, None)
        monitoring.free_tool_id(tool)


def _tracer(turns: Turns) -> Any:
    def called(frame: types.FrameType, event: str, _: Any) -> Any:
        jumped = turns.watched.get(frame.f_code)
        if event != "call" or jumped is None:
            return None
        jumped(None)
        heads, last = set(spans(frame.f_code)), -1

        def line(frame: types.FrameType, event: str, _: Any) -> Any:
            nonlocal last
            at = frame.f_lasti
            if at <= last and event == "line" and at in heads:
                jumped(at)
            last = at
            return line

        return line

    return called
