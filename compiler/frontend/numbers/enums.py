"""Members of enums: `Kind(x)` of a number that is proved to be one, `Kind.A.name`."""

from __future__ import annotations

import ast
import enum

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Kind, Number, Value

_MOST = 1 << 16  # values that are looked at one by one


def member(f: Translation, node: ast.Call, cls: type[enum.Enum], number: Number, place: ast.expr) -> Value:
    """`Kind(x)`: the same number as a member; E021 where it may be none."""
    if not issubclass(cls, int):
        return f.error(
            "E022",
            f"`{f.quoted(node)}` makes a member of {cls.__name__}, which is no number, of a value that is not known",
            node,
            help=f"class {cls.__name__}(enum.IntEnum): ...",
        )
    flag = issubclass(cls, enum.Flag)
    if flag and number.range.lo >= 0 and cls._boundary_ is enum.KEEP:  # type: ignore[attr-defined]
        return number.as_kinds(frozenset({Kind.FLAG}))
    values = {int(one) for one in cls}
    lo, hi = number.range.lo, number.range.hi
    if hi - lo < _MOST and all(one in values for one in range(lo, hi + 1)) and not flag:
        return number.as_kinds(frozenset({Kind.ENUM}))
    return f.error(
        "E021",
        f"`{f.quoted(place)}` may be no member of {cls.__name__}",
        place,
        why=f"it lies in {f.shown(number.range)}, and {cls.__name__}() raises ValueError for a value without a member",
        help=f"test it first: if {min(values)} <= {f.operand(place)} <= {max(values)}: ..."
        if values and values == set(range(min(values), max(values) + 1))
        else f"compare values: {f.operand(place)} == {cls.__name__}.{next(iter(cls)).name}"
        if values
        else "",
    )
