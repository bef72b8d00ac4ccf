"""A program as text, its source lines between its instructions."""

from __future__ import annotations

import linecache

from bpfvm.core.machine import Location
from bpfvm.isa.disasm import listing as instructions
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.helpers import BY_ID


def listing(program: ProgramSpec) -> str:
    """`program` in the kernel's syntax, one instruction a line behind its slot number, maps and helpers by name."""
    return instructions(program.insns, helper=_helper_name, source=lambda slot: _source_at(program, slot))


def _helper_name(number: int) -> str:
    row = BY_ID.get(number)
    return f"bpf_{row.name}#{number}" if row else f"helper#{number}"


def _source_at(program: ProgramSpec, slot: int) -> str | None:
    """The source line that starts at `slot`, with its place."""
    place: Location | None = program.lines.get(slot)
    if place is None:
        return None
    return f"{linecache.getline(place.file, place.line).strip()} @ {place}".strip()
