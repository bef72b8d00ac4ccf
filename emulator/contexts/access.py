"""Which accesses to a context a program of one type may make, as the verifier says by the context's row."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.tables.ctx import CONTEXTS, REGISTERS, Context, CtxField, context_of
from bpfvm.tables.places import covers, expand
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.tables.sections import of_section

_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Access:
    """What loads and stores of a context find. reads, writes: (offset, size) -> the field.

    shown: the fields that are no pointers and that the type may read, under the names that inputs and results have.
    odd: places of loads that do not simply give the bytes there.
    """

    layout: Context
    program_type: str
    reads: Mapping[tuple[int, int], CtxField]
    writes: Mapping[tuple[int, int], CtxField]
    shown: Mapping[str, tuple[int, int]]
    odd: frozenset[tuple[int, int]]

    def refused(self, at: int, size: int, write: bool) -> str:
        """Why an access is not taken, for a fault."""
        known = self.writes if write else self.reads
        what, done = ("write", "written") if write else ("read", "read")
        text = f"{what} of {octets(size)} at context+{at}"
        inside = [one for one in self.layout.fields if one.offset <= at < one.end]
        if not inside:
            return f"{text}, where {self.layout.name} has no field"
        name = f"{self.layout.name}.{inside[0].name}"
        if not any(one in inside for one in known.values()):
            return f"{text}, which cannot be {done}: {name} in {self.program_type} programs"
        return f"{text}, which cannot be {done} in parts: {name} is {octets(inside[0].size)} at {inside[0].offset}"


@functools.cache
def access(context: str, program_type: str, attach_type: str | None) -> Access:
    """The accesses of programs of a type, loaded for an attach type where that is known."""
    layout = next(one for one in (*CONTEXTS.values(), *REGISTERS.values()) if one.name == context)
    found: list[dict[tuple[int, int], CtxField]] = []
    for write in (False, True):
        places = (
            ((at, size), layout.access(at, size, write, program_type, attach_type))
            for size in _SIZES
            for at in range(0, layout.size, size)
        )
        found.append({place: one for place, one in places if one is not None})
    shown: dict[str, tuple[int, int]] = {}
    for one in layout.fields:
        readers = expand(one.readers, layout.programs)
        if one.pointer is None and covers(readers, program_type, attach_type):
            for name, at in names(one):
                shown[name] = (at, max(one.size, shown.get(name, (0, 0))[1]))
    odd = frozenset(
        (at, size)
        for (at, size), one in found[0].items()
        if one.held and size < one.size and (at - one.offset) % one.size
    )
    return Access(layout, program_type, found[0], found[1], shown, odd)


def rules(program_type: str, section: str, arch: str = "x86_64") -> Access | None:
    """The accesses of a program of a type, its ELF section telling where it attaches; None for a plain buffer. arch:
    whose registers it sees, a name of tables.ctx.REGISTERS."""
    layout, row = context_of(PROGRAM_TYPES[program_type], arch), of_section(section)
    if layout is None:
        return None
    return access(layout.name, program_type, row.attach_type if row.program_type == program_type else None)


def names(one: CtxField) -> list[tuple[str, int]]:
    """What a field's elements are called, with the offset of each: "mark", or "cb[0]" to "cb[4]"."""
    if one.count == 1:
        return [(one.name, one.offset)]
    return [(f"{one.name}[{index}]", one.offset + index * one.size) for index in range(one.count)]
