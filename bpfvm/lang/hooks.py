"""What a program is made for: its type, its ELF section, what it returns when it ends early.

A hook is what a decorator such as `@bpf.xdp` knows. The compiler reads it; so do the machines that run the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfvm.core.errors import UsageError
from bpfvm.lang.kinds import BY_NAME as KINDS
from bpfvm.tables import sections
from bpfvm.tables.progs import BY_NAME, ProgramType

INTS = ("exact", "wrap", "checked")
PROBES = ("zero", "fault")
_NO_NAME = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Hook:
    """type: a row's name in tables.progs. section: of the ELF object. on_fault: the value after a fault or no return.

    ints: what becomes of exact integers that do not fit in 64 bits: "exact" (an error, E040), "wrap" (they become s64
    numbers modulo 2**64, as in C, and not as in CPython) or "checked" (a fault, OverflowError, where CPython goes on).
    probe: what a read through a pointer gives where nothing can be read: "zero", or a fault of the program, "fault".
    scalars: the function takes numbers and returns one (`@bpf.function`); its arguments and result stand in the
    context buffer, a u64 each: the result at 0, argument i at 8 * (i + 1).
    kind: a row's name in lang.kinds, "" for functions of scalars. targets: what the decorator was given, what it is to
    be attached to. The section names the first, where sections of the kind do, and `others` those of further targets.
    frags: packets are seen whole, in however many pieces they lie.
    """

    type: str
    section: str
    on_fault: int
    scalars: bool = False
    ints: str = "exact"
    kind: str = ""
    targets: tuple[str, ...] = ()
    probe: str = "zero"
    others: tuple[str, ...] = ()
    frags: bool = False

    @property
    def direct(self) -> bool:
        """Whether bytes of the packet have addresses, which lie in one piece; else they are fetched and stored by
        helpers, wherever they lie."""
        return self.program_type.direct and not self.frags

    def sections(self, name: str) -> dict[str, str]:
        """The programs that a function of this name becomes, each with its section: one for each target, because the
        kernel loads a program for one, and loaders know what to attach it to by its section."""
        found = {name: self.section}
        for number, one in enumerate(self.others, 2):
            longer = f"{name}_{_NO_NAME.sub('_', sections.of_section(one).target).strip('_')}"
            found[f"{longer}_{number}" if longer in found else longer] = one
        return found

    @property
    def program_type(self) -> ProgramType:
        """The program type's row."""
        return BY_NAME[self.type]

    @property
    def attach_type(self) -> str | None:
        """Where it attaches, a row's name in tables.attach, as far as the section tells."""
        return sections.of_section(self.section).attach_type

    @property
    def returns(self) -> tuple[int, int] | None:
        """The least and the largest result that the kernel takes, None for any number."""
        return self.program_type.return_range(self.attach_type)


def hook(
    kind: str, targets: tuple[str, ...] = (), *, on_fault: int | None = None, ints: str = "exact",
    options: tuple[str, ...] = (), probe: str = "zero",
) -> Hook:  # fmt: skip
    """The hook of a decorator, a row's name in lang.kinds. UsageError for what the row does not take."""
    row = KINDS[kind]
    section, *others = row.named(targets, options)
    type = sections.of_section(section).program_type
    usual = row.on_fault if row.on_fault is not None else BY_NAME[type].fallback
    attached = tuple(one for one in targets if one not in row.words)
    chosen = usual if on_fault is None else on_fault
    made = Hook(
        type, section, chosen, False, _known("ints", ints), kind, attached, _known("probe", probe), tuple(others),
        "frags" in options,
    )  # fmt: skip
    lies = made.returns
    if lies is not None and not lies[0] <= made.on_fault <= lies[1]:
        raise UsageError(f"bpf.{kind}: on_fault={on_fault}, and the kernel takes results from {lies[0]} to {lies[1]}")
    if not -(1 << 31) <= made.on_fault < 1 << 32:
        raise UsageError(f"bpf.{kind}: on_fault={on_fault} does not fit the 32 bits of a result")
    return made


def xdp(on_fault: int | None = None, ints: str = "exact") -> Hook:
    """The hook of `@bpf.xdp`. UsageError for `ints` of another name."""
    return hook("xdp", on_fault=on_fault, ints=ints)


def function(ints: str = "exact", probe: str = "zero") -> Hook:
    """The hook of `@bpf.function`: a SYSCALL program, which the kernel can run without attaching it."""
    return Hook("syscall", "syscall", 0, scalars=True, ints=_known("ints", ints), probe=_known("probe", probe))


def _known(option: str, value: str) -> str:
    known = INTS if option == "ints" else PROBES
    if value not in known:
        raise UsageError(f"{option}={value!r}: there are {', '.join(map(repr, known))} in this version")
    return value
