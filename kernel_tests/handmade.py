"""Programs written instruction by instruction, and their runs: what the tests of the kernel backend are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bpfvm.core.machine import Input, Location
from bpfvm.isa.insn import Insn
from bpfvm.kernel import KERNEL
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

NAME = "handmade"


def spec(
    kind: str, insns: Iterable[Insn], maps: Sequence[MapSpec] = (), lines: Mapping[int, Location] | None = None
) -> ObjectSpec:
    """An object with one program of these instructions."""
    program = ProgramSpec(NAME, kind, kind, tuple(insns), lines or {})
    return ObjectSpec({NAME: program}, {one.name: one for one in maps})


def array(name: str, entries: int, value_size: int = 8, flags: int = 0, initial: bytes | None = None) -> MapSpec:
    """An array map."""
    return MapSpec(name, "array", 4, value_size, entries, flags, initial=initial)


def run_on(insns: Iterable[Insn], context: bytes) -> bytes:
    """The context buffer after one run of a syscall program."""
    with KERNEL.load(spec("syscall", insns), NAME) as loaded:
        after = loaded.run(Input(ctx=context)).ctx
    assert after is not None
    assert len(after) == len(context)
    return after


def words(data: bytes) -> list[int]:
    """The 64-bit numbers of a buffer of this machine's byte order."""
    return memoryview(data).cast("Q").tolist()


def buffer(numbers: Sequence[int]) -> bytes:
    """64-bit numbers in this machine's byte order."""
    import array as arrays

    return arrays.array("Q", numbers).tobytes()
