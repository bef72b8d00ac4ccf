"""Programs of any type that count how often they run, and only for one process where they would see all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bpfvm.core.machine import Entries
from bpfvm.isa.asm import assemble
from bpfvm.kernel.objects.install import Installed, install
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.sections import of_section

NAME, MAP = "counting", "runs"

_FOR_ONE = """
    call 14                     # bpf_get_current_pid_tgid
    r0 >>= 32
    if r0 != {pid} goto out
"""
_TEXT = """
    r9 = {other}
    {filter}
    r2 = r10
    r2 += -4
    *(u32 *)(r10 - 4) = 0
    r1 = map[runs]
    call 1                      # bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
    r9 = {value}
out:
    r0 = r9
    exit
"""


def spec(section: str, value: int = 0, pid: int | None = None, other: int | None = None) -> ObjectSpec:
    """A program of a section that counts its runs and returns `value`. pid: the process that counts, None for all.
    other: what it returns for others."""
    kind = of_section(section).program_type
    text = _TEXT.format(filter=_FOR_ONE.format(pid=pid) if pid is not None else "", value=value,
                        other=value if other is None else other)  # fmt: skip
    program = ProgramSpec(NAME, section, kind, tuple(assemble(text)))
    return ObjectSpec({NAME: program}, {MAP: MapSpec(MAP, "array", 4, 8, 1)})


@contextmanager
def counting(
    section: str, value: int = 0, pid: int | None = None, other: int | None = None
) -> Iterator[Installed]:  # fmt: skip
    """The program in the kernel."""
    with install(spec(section, value, pid, other)) as installed:
        yield installed


def runs(installed: Installed) -> int:
    """How often it ran."""
    entries: Entries = installed.programs[NAME].read_map(MAP)
    (value,) = (value for _, value in entries)
    assert isinstance(value, bytes)
    return int.from_bytes(value, "little")
