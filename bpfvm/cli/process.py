"""`--regs-from` and `--memory`: registers and memory of user space for programs on probes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.run.session import Session
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.sections import of_section

if TYPE_CHECKING:
    from bpfvm.emulator.system import UserMemory


def see(session: Session, memory: UserMemory) -> None:
    """Let the programs of `session` read `memory` as user space. UsageError for an engine that is no emulator."""
    system = getattr(session.machine, "system", None)
    if system is None:
        raise UsageError(f"engine {session.engine} has a user space of its own: no --memory, no --regs-from")
    system.process = memory


def hits(session: Session, text: str, arguments: str, base: Input) -> Iterator[Input]:
    """`--regs-from PROGRAM:FUNCTION`: the registers at each entry of a function, or each return for a program on
    returns; its memory stands behind them. LoadError, Unavailable from running it.
    """
    from bpfvm.emulator.process import Process

    path, _, function = text.rpartition(":")
    if not path or not function:
        raise UsageError(f"--regs-from {text}: write PROGRAM:FUNCTION, as in ./server:handle_request")
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise UsageError(f"--regs-args {arguments!r}: {error}") from None
    process = Process(path, words)
    see(session, process.memory)
    names, met = CONTEXTS["pt_regs"].fields, False
    for hit in process.hits(function, of_section(session.program.section).returns):
        met = True
        found = {one.name: int.from_bytes(hit.registers[one.offset : one.offset + 8], "little") for one in names}
        yield replace(base, fields={**found, **base.fields})
    if not met:
        raise Unavailable(f"{path} ended with status {process.status} and never called {function}")


def check(session: Session) -> None:
    """LoadError for a program that sees no registers."""
    if session.type.context != "pt_regs":
        raise LoadError(f"{session.program.name} is {an(session.type.name)} program: it sees no registers")
