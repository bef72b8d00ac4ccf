"""What goes into a machine and what comes out, as bytes and numbers: the one language all backends speak.

A machine knows nothing of Python types or names; `bpfvm.run` turns a Result into a typed Outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# One map's contents, in key order for arrays: (key, value); a per-CPU value is a list, one item a CPU.
Entry: TypeAlias = tuple[bytes, "bytes | list[bytes]"]
Entries: TypeAlias = list[Entry]


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source file. `line` counts from 1, `col` from 1 (0: not known)."""

    file: str
    line: int
    col: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a run ended early.

    kind: a machine fault ("access", "budget", "instruction", "helper", "uninit", "depth") when `machine`, else the
    name of the Python exception that the language defines for the place ("PacketError", "ZeroDivisionError" …).
    """

    kind: str
    message: str
    insn: int | None = None  # slot of the instruction, where one is known
    source: Location | None = None
    machine: bool = True

    @property
    def file(self) -> str | None:
        """The source file of its place, where that is known."""
        return self.source.file if self.source is not None else None

    @property
    def line(self) -> int | None:
        """The line of its place, where that is known."""
        return self.source.line if self.source is not None else None

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        at = f" (instruction {self.insn})" if self.insn is not None else ""
        return f"{where}{self.kind}: {self.message}{at}"


@dataclass(frozen=True, slots=True)
class Task:
    """The task that a program runs in, in numbers.

    tid, pid: of the thread and of its process, which the kernel calls pid and tgid. comm: its name, up to 15 bytes.
    cgroups: ids of the cgroups of the unified hierarchy that it is in, from the root's to its own.
    address: of its task_struct in the kernel's memory, 0 where that is not laid out.
    user, kernel: return addresses on its stacks, the innermost first; None where a stack cannot be walked.
    areas: start, end and vm_area_struct of each area of memory, by the address of the task_struct that has them.
    """

    tid: int
    pid: int
    uid: int = 0
    gid: int = 0
    comm: bytes = b""
    cgroups: tuple[int, ...] = (1,)
    address: int = 0
    user: tuple[int, ...] | None = None
    kernel: tuple[int, ...] | None = None
    areas: Mapping[int, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Input:
    """One run's input. Map contents are the loaded program's state, not the input's.

    packet: frame bytes from the first header that the program type sees, or None for types without packets.
    ctx:    raw context bytes, for types whose context is a plain buffer (syscall).
    fields: context fields by name, over the type's defaults ({"ingress_ifindex": 3}).
    clock:  what bpf_ktime_get_ns answers first, ns. seed: of the machine's random numbers.
    cpu:    the virtual CPU that the run is on.
    registers: what r1 to r5 hold at the start, by number; else r1 points to the context and the others hold nothing.
            Only emulators can set them.
    memory: bytes by address, which the program can read by probe-read helpers: below 2**47 of a process, above of the
            kernel. Of emulators.
    task:   that the program runs in, None for this process's own. function: the address of the probed function, None
            where none is told. cookie: that was given when the program was attached. Of emulators.
    """

    packet: bytes | None = None
    ctx: bytes | None = None
    fields: Mapping[str, int] = field(default_factory=dict)
    clock: int = 0
    seed: int = 0
    cpu: int = 0
    registers: Mapping[int, int] = field(default_factory=dict)
    memory: Mapping[int, bytes] = field(default_factory=dict)
    task: Task | None = None
    function: int | None = None
    cookie: int = 0
    words: int | None = None
    returned: bool = False
    tasks: tuple[Task, ...] = ()
    paths: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One run's result, before it is given types.

    r0:     all 64 bits where the machine shows them; the kernel shows the low 32 (`r0_bits`).
    packet, ctx: bytes after the run; None where the type has none or the machine cannot tell.
    fields: context fields after the run, by name, as far as the machine can tell.
    events: name of a ring buffer or perf event array -> what the run put there. lost: name -> how many more there were
    that found no room, where the machine counts them. redirect: where the packet goes, in
    words ("ifindex 7", "devmap ports[3]"), or None.
    insns:  instructions executed, 0 where the machine does not count.
    warnings: what did no harm and is doubtful, each place once: kind "uninitialised" for stack that was read before it
    was written. Only the reference tier looks.
    """

    r0: int = 0
    r0_bits: int = 64
    packet: bytes | None = None
    ctx: bytes | None = None
    fields: Mapping[str, int] = field(default_factory=dict)
    trace: tuple[str, ...] = ()
    events: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    redirect: str | None = None
    fault: Fault | None = None
    insns: int = 0
    warnings: tuple[Fault, ...] = ()
