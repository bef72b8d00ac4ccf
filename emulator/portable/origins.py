"""The object that a pointer is to, where the analysis knows it: what else is at its address is none of its.

Addresses alone would let a pointer to one object read another one. So what may lie outside of its object goes to the
runtime as a place in the object and the distance from there: accesses in the text that translators write (`_object` of
both), arguments of calls by what is kept here for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bpfvm.emulator.interp import STACK
from bpfvm.emulator.memory import GAP
from bpfvm.emulator.portable.kinds import ARGUMENTS, Kind, State

Origins: TypeAlias = Mapping[int, Mapping[int, Kind]]  # slot of a call -> of its arguments from 0 on, those that stray

_ALONE = ("stack", "ctx")  # objects that lie a gap away from all others


def strays(kind: Kind) -> bool:
    """Whether the address that a register holds may be in another object than the one it points to."""
    if kind.tag in _ALONE:
        return kind.off is None or not STACK - GAP // 2 < kind.off < GAP // 2
    return kind.tag == "packet" or (kind.is_pointer and bool(kind.off))


def arguments(before: State) -> dict[int, Kind]:
    """Those of a call that stray."""
    kinds = (before.regs[register] for register in ARGUMENTS)
    return {place: kind for place, kind in enumerate(kinds) if strays(kind)}


def start(kind: Kind, address: int, bounds: tuple[int, int, int, int], top: int) -> int:
    """A place in the object that a pointer is to. bounds: of packet and context. top: of the function's frame."""
    if kind.tag == "packet":  # which metadata stands before
        return bounds[0] - bool(kind.name)
    if kind.tag == "ctx":
        return bounds[2]
    return top if kind.tag == "stack" else address - (kind.off or 0)
