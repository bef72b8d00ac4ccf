"""Kernel functions that the emulator has, by the names of their rows in bpfvm.tables.kfuncs; a module a theme."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.arguments import Function, Helper, bind, fault
from bpfvm.emulator.kfuncs import dynptrs, iterators, plain, strings
from bpfvm.tables.kfuncs import BY_NAME

IMPLEMENTED: Mapping[str, Function] = {
    **dynptrs.FUNCTIONS,
    **iterators.FUNCTIONS,
    **plain.FUNCTIONS,
    **strings.FUNCTIONS,
}


def builtin(name: str, program_type: str) -> Helper | None:
    """What programs of a type call under a name; a fault where they may not. None where the emulator has no such."""
    row = BY_NAME.get(name)
    if row is None:
        return None
    if not row.may_call(program_type):
        return fault(f"{row.called} is not for {program_type} programs: the kernel refuses to load such a call")
    return bind(row, IMPLEMENTED[name], program_type)
