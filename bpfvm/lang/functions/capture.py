"""What a program took from around its function when it was compiled, by value: whether it is still so.

A program holds the values that globals, closure variables and attributes had. CPython reads them anew on every run, so
that a name that was bound to something else since gives another program.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bpfvm.core.errors import StaleCapture
from bpfvm.lang.types.layout import View

_COMPARED = (int, str, bytes, float, complex, range, types.MethodType, types.BuiltinMethodType)
MUTABLE = (list, dict, set, bytearray, View)


@dataclass(frozen=True, slots=True)
class Capture:
    """One name with its value as of the compilation. now: looks it up again."""

    name: str
    value: Any
    now: Callable[[], Any]


def check(program: str, captured: Iterable[Capture]) -> None:
    """Raise StaleCapture for the first name that has another value now."""
    for one in captured:
        try:
            now = one.now()
        except Exception as error:
            raise StaleCapture(_text(program, one, f"looking it up gives {type(error).__name__} now")) from None
        if now is not one.value and not _equal(now, one.value):
            raise StaleCapture(_text(program, one, f"it is {now!r:.60} now"))


def snapshot(found: Any) -> Any:
    """A list, dict, set or bytearray as it is now, in a form that does not change; anything else itself."""
    if isinstance(found, dict):
        found = list(found.items())
    if isinstance(found, View):
        return type(found), bytes(found)
    if isinstance(found, set):
        found = sorted(found, key=repr)
    return tuple(map(snapshot, found)) if isinstance(found, list | bytearray | tuple) else found


def _equal(now: Any, before: Any) -> bool:
    """Whether the program would be the same: equal values of one class, of classes whose values are compared."""
    if type(now) is not type(before):
        return False
    if type(before) is tuple:
        return len(now) == len(before) and all(map(_same, now, before))
    return isinstance(before, _COMPARED) and bool(now == before)


def _same(now: Any, before: Any) -> bool:
    return now is before or _equal(now, before)


def _text(program: str, one: Capture, now: str) -> str:
    return (
        f"{program}: `{one.name}` was {one.value!r:.60} when the program was compiled, and {now}; make the program "
        "again behind the change, or keep what changes in a map"
    )
