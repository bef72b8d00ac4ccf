"""What a program is made for: its type, its ELF section, what it returns when it ends early.

A hook is what a decorator such as `@bpf.xdp` knows. The compiler reads it; so do the machines that run the program.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.tables.progs import BY_NAME, ProgramType


@dataclass(frozen=True, slots=True)
class Hook:
    """type: a row's name in tables.progs. section: of the ELF object. on_fault: the value after a fault or no return.

    scalars: the function takes numbers and returns one (`@bpf.function`); its arguments and result stand in the
    context buffer, a u64 each: the result at 0, argument i at 8 * (i + 1).
    """

    type: str
    section: str
    on_fault: int
    scalars: bool = False

    @property
    def program_type(self) -> ProgramType:
        """The program type's row."""
        return BY_NAME[self.type]


def xdp(on_fault: int | None = None) -> Hook:
    """The hook of `@bpf.xdp`."""
    return Hook("xdp", "xdp", BY_NAME["xdp"].fallback if on_fault is None else on_fault)


def function() -> Hook:
    """The hook of `@bpf.function`: a SYSCALL program, which the kernel can run without attaching it."""
    return Hook("syscall", "syscall", 0, scalars=True)
