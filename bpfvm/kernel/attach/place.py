"""What is being attached: a loaded program with what its section says, for those that know the kinds of places."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.errors import UsageError
from bpfvm.kernel.sys import Fd
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.sections import Section


@dataclass(frozen=True, slots=True)
class Place:
    """name, type: of the program. program: its descriptor. section: what its section says."""

    name: str
    type: str
    program: Fd
    section: Section

    @property
    def attach_type(self) -> int:
        """The number of the section's attach type. UsageError where it names none."""
        if self.section.attach_type is None:
            raise UsageError(
                f"{self.name}: section {self.section.name} does not say where it is attached; name one that does"
            )
        return ATTACH_TYPES[self.section.attach_type].number

    def wanted(self, target: object, what: str) -> object:
        """The target that was given, or that stands in the section. UsageError where there is none."""
        found = target if target is not None else self.section.target or None
        if found is None:
            raise UsageError(f"{self.name}: say what to attach to: attach({what})")
        return found
