"""What a program is made for: its type, its ELF section, what it returns when it ends early.

A hook is what a decorator such as `@bpf.xdp` knows. The compiler reads it; so do the machines that run the program.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.errors import UsageError
from bpfvm.tables.progs import BY_NAME, ProgramType

INTS = ("exact", "wrap")


@dataclass(frozen=True, slots=True)
class Hook:
    """type: a row's name in tables.progs. section: of the ELF object. on_fault: the value after a fault or no return.

    ints: what becomes of exact integers that do not fit in 64 bits: "exact" (an error, E040) or "wrap" (they become s64
    numbers modulo 2**64, as in C, and not as in CPython).
    scalars: the function takes numbers and returns one (`@bpf.function`); its arguments and result stand in the
    context buffer, a u64 each: the result at 0, argument i at 8 * (i + 1).
    """

    type: str
    section: str
    on_fault: int
    scalars: bool = False
    ints: str = "exact"

    @property
    def program_type(self) -> ProgramType:
        """The program type's row."""
        return BY_NAME[self.type]


def xdp(on_fault: int | None = None, ints: str = "exact") -> Hook:
    """The hook of `@bpf.xdp`. UsageError for `ints` of another name."""
    return Hook("xdp", "xdp", BY_NAME["xdp"].fallback if on_fault is None else on_fault, ints=_known(ints))


def function(ints: str = "exact") -> Hook:
    """The hook of `@bpf.function`: a SYSCALL program, which the kernel can run without attaching it."""
    return Hook("syscall", "syscall", 0, scalars=True, ints=_known(ints))


def _known(ints: str) -> str:
    if ints not in INTS:
        raise UsageError(f"ints={ints!r}: there are {', '.join(map(repr, INTS))} in this version")
    return ints
