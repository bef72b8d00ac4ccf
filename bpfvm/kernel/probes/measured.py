"""The running kernel's verifier, measured: small programs are loaded, and nothing stays.

Who may call which helper, which accesses to contexts are taken, what programs may return; the project's tables say the
same of Linux 6.18. Some 60,000 loads; a program is refused or taken within microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bpfvm.core.errors import Unavailable
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.probes.answers import Answer, Logged
from bpfvm.kernel.probes.available import available
from bpfvm.kernel.probes.load import Place, load, place_of
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.helpers import HELPERS
from bpfvm.tables.progs import PROGRAM_TYPES, ProgramType

RESULTS = (*range(-2, 6), 129, 4095)  # values of r0 that are tried
SIZES = (1, 2, 4, 8)
NO_HELPER = ("cannot use helper", "not supported for program type", "not allowed in probe", "unknown func",
             "invalid func")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Where:
    """A program type, loaded for one of its attach types, or for none."""

    row: ProgramType
    attach_type: str | None
    place: Place

    def __str__(self) -> str:
        return f"{self.row.name} ({self.attach_type})" if self.attach_type else self.row.name


def places() -> Iterator[Where]:
    """Every one that this host loads. Unavailable, with the reason, where it loads nothing."""
    why = available()
    if why is not None:
        raise Unavailable(f"the kernel's verifier cannot be asked: {why}")
    for row in PROGRAM_TYPES:
        names: list[str | None] = [one.name for one in row.attach_types]
        for name in names or [None]:
            place = place_of(row.name, name or "")
            if not isinstance(place, Answer) and row.name != "unspec" and takes(place, place.end):
                yield Where(row, name, place)


def takes(place: Place, code: Sequence[Insn]) -> bool:
    """Whether the kernel takes the program."""
    try:
        load(place, code, log=False).close()
    except Logged:
        return False
    return True


def helpers(where: Where) -> frozenset[str]:
    """The helpers that programs there may call."""
    return frozenset(row.name for row in HELPERS if _may_call(where.place, row.id))


def _may_call(place: Place, number: int) -> bool:
    try:
        load(place, (insn("call", imm=number), *place.end)).close()
    except Logged as error:
        return not any(words in error.log for words in NO_HELPER)
    return True


def accesses(where: Where) -> frozenset[tuple[int, int, bool]]:
    """(offset, size, is it a store) of each access to the context that is taken; of types whose context is one."""
    if where.row.context is None:
        return frozenset()
    return frozenset(one for one in tried(where) if takes(where.place, _access(where.place, *one)))


def tried(where: Where) -> Iterator[tuple[int, int, bool]]:
    """The accesses that are asked for: all that are aligned, to a little behind the context's end."""
    end = CONTEXTS[where.row.context or ""].size + 8
    for size in SIZES:
        for at in range(0, end, size):
            yield at, size, False
            yield at, size, True


def _access(place: Place, at: int, size: int, write: bool) -> tuple[Insn, ...]:
    if write:
        return insn("mov64_k", 0, imm=0), insn(f"stx{8 * size}", 1, 0, off=at), *place.end
    return insn(f"ldx{8 * size}", 0, 1, off=at), *place.end


def results(where: Where) -> frozenset[int]:
    """Those of RESULTS that programs there may return."""
    return frozenset(one for one in RESULTS if takes(where.place, (insn("mov64_k", 0, imm=one), insn("exit"))))
