"""The programs of tests/views on one machine, compared with CPython on every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bpfvm.compiler import compile_program
from bpfvm.core.errors import BpfvmError, Unavailable
from bpfvm.core.machine import Input
from bpfvm.program import Program
from bpfvm.run.backend import engine
from bpfvm.run.compare import differences
from bpfvm.run.session import Session
from tests.contract.comparison import Comparison
from tests.views import frames, programs

Group = tuple[Sequence[Program], Callable[[int], list[bytes]]]
_FRAMES, _PACKETS = (lambda every: list(frames.cut(every))), (lambda every: list(frames.inner(every)))
# by hook: its programs, and what they see of every n-th cut of each frame
GROUPS: Mapping[str, Group] = {
    "socket": (programs.SOCKET, _FRAMES), "tc": (programs.TC, _FRAMES), "cgroup_skb": (programs.CGROUP, _PACKETS),
    "lwt": (programs.LWT, _PACKETS),
}  # fmt: skip


def compare(
    programs: Sequence[Program], frames: Sequence[bytes], machine: str, record: bool = True,
    ctx: Mapping[str, int] | None = None,
) -> Comparison:  # fmt: skip
    """Every program on every frame, its maps kept from one to the next.

    ctx: fields of the context. record: faults are compared by their places; else by what they do.
    """
    found = Comparison()
    for program in programs:
        before = len(found.wrong)
        try:
            found.wrong += list(_wrong(found, program, inputs_of(program, frames, ctx), machine, record))
        except BpfvmError as error:
            found.wrong.append(f"{program.type.name} {program.name}: {error}")
        found.counts["programs"] += len(found.wrong) == before
    return found


def inputs_of(program: Program, frames: Sequence[bytes], ctx: Mapping[str, int] | None) -> list[Input]:
    """What a run on each frame is given."""
    return [program.input((frame,), ctx) for frame in frames]


def _wrong(found: Comparison, program: Program, inputs: Sequence[Input], machine: str, record: bool) -> Iterator[str]:
    assert program.function is not None, "it is made of a function"
    assert program.hook is not None, "and for a hook"
    spec = compile_program(program.function, program.hook, record_faults=record).spec
    mine = Session(engine(machine), spec, program.name, program.signature)
    with mine, program.session("cpython") as reference:
        for given in inputs:
            try:
                got = mine.outcome(given)
            except Unavailable as reason:
                found.elsewhere[str(reason).partition(":")[0]] += 1
                continue
            want = reference.outcome(given)
            lines = differences("cpython", want if record else replace(want, fault=None), machine, got)
            frame = given.packet or b""
            what = f"{program.type.name} {program.name}({len(frame)} bytes, {frame[:40].hex()})"
            yield from (f"{what}: {line}" for line in lines)
            found.counts["runs"] += 1
            found.counts["faults"] += want.fault is not None
