"""Which part of a function's stack has to hold poison before it runs: all of what it may reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.emulator.interp import STACK

if TYPE_CHECKING:
    from bpfvm.emulator.native.translate import Unit
    from bpfvm.isa.cfg import Function


def poisoned(unit: Unit, part: Function) -> tuple[int, int]:
    """Bytes from r10, the first and the end; equal for none."""
    return -STACK, 0
