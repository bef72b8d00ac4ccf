"""A body that is written out in place of a call, and what the call gives."""

from __future__ import annotations

import ast
from collections.abc import Callable

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, NOTHING, Value


def written_out(
    f: Translation, node: ast.Call, frame: Frame, body: ast.FunctionDef | ast.Lambda, before: End,
    behind: Callable[[End], End],
) -> Value:  # fmt: skip
    """The value of the call `node`. before: where it stands; behind: an end of the body, as its caller goes on."""
    f.frames.append(frame)
    f.copies += 1
    try:
        f.body(body)
        if f.reachable:
            frame.leaving.append((f.end(), NOTHING))
    finally:
        f.copies -= 1
        f.frames.pop()
    ends = [behind(end) for end, _ in frame.leaving]
    if not ends:
        f.never(before)
        return BAD
    if node is f.discarded:
        flow.enter(f, ends)
        return NOTHING
    return flow.join_values(f, ends, [one for _, one in frame.leaving], node)
