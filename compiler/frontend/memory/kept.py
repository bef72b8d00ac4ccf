"""What the kernel keeps to itself in values of maps: locks and timers. Programs name them, and load and store around
them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from typing import Any

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Reference
from bpfvm.core.articles import an
from bpfvm.core.span import Span
from bpfvm.lang.helpers.sections import SpinLock
from bpfvm.lang.maps.timers import Timer, count

_KINDS: Mapping[Any, str] = {SpinLock: "with bpf.lock(v.lock): ...", Timer: "v.timer.start(tick, after=1_000_000)"}


@cache
def holds(kind: Any) -> str:
    """The name of what a value of a type holds of these; "" where it holds none."""
    return next((one.__name__ for one in _KINDS if count(kind, one)), "")


def is_own(kind: Any) -> bool:
    """Whether it is one of them itself."""
    return kind in _KINDS


def is_refused(f: Translation, one: Reference, node: ast.AST | Span) -> bool:
    """Whether something lies in the value of a map, and cannot be loaded or stored as a whole. E031 where it is."""
    if one.space != "map_value" or not holds(one.type):
        return False
    whole = is_own(one.type)
    f.error(
        "E031",
        f"this {'is' if whole else f'{one.type.__name__} has'} {an(holds(one.type))}, which is the kernel's own",
        node,
        why="the kernel's verifier refuses loads and stores of it in the value of a map",
        help=_KINDS[one.type] if whole else "take its other fields one by one",
    )
    return True


__all__ = ["holds", "is_own", "is_refused"]
