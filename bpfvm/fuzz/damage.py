"""Damaged programs on one machine: whatever the bytes are, it ends by a result or by an error of its own.

A program's bytes are flipped, moved, cut and replaced, or are random from the start; then they are decoded, loaded and
run with a small budget. Anything that is raised but a BpfvmError is a crash, and so is a run past its budget.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.core.machine import Input
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import GIVEN, SIZE, TABLE, VALUE
from bpfvm.fuzz.case import PROGRAM, Case, make
from bpfvm.fuzz.differ import MOST, machine, reason
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.mutate import changed
from bpfvm.fuzz.report import Difference, Report
from bpfvm.isa.codec import SLOT, decode, encode
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import OPS
from bpfvm.run.backend import Backend

BUDGET = 2000  # instructions of one run
_SLOWEST = (
    10.0  # seconds of the processor that one program may take; a machine that needs more does not keep to its budget
)
_TYPES = ("syscall", "xdp", "socket_filter")
_TYPE_WEIGHTS = (8, 8, 1)
_REUSED = 16  # damaged programs that are made of one good one


def robust(
    engine: str | Backend, seed: int, programs: int | None = None, seconds: float | None = None, *,
    most: int = MOST, progress: Callable[[Report], None] | None = None, report: Report | None = None,
) -> Report:  # fmt: skip
    """Run damaged programs until `programs` or `seconds` are over. Crashes are the report's differences.

    compared counts the programs that did not crash, rejected what became of those that were refused or ended early.
    """
    runner = machine(engine, budget=BUDGET) if isinstance(engine, str) else engine
    report = report if report is not None else Report((runner.name,), seed)
    start = time.monotonic()
    good: tuple[Insn, ...] = ()
    while len(report.differences) < most:
        report.seconds = time.monotonic() - start
        if (programs is not None and report.generated >= programs) or (seconds and report.seconds >= seconds):
            break
        rng = random.Random(f"{seed}:{report.generated}:bytes")
        if report.generated % _REUSED == 0:
            good = program(rng, "").program.insns
        _count(report, runner, f"{seed}:{report.generated}", damaged(rng, good), rng)
        if progress is not None:
            progress(report)
    report.seconds = time.monotonic() - start
    return report


def _count(report: Report, runner: Backend, name: str, code: bytes, rng: random.Random) -> None:
    report.generated += 1
    began = time.process_time()
    case, crash, end = make(name, rng.choices(_TYPES, _TYPE_WEIGHTS)[0], (), ()), None, None
    try:
        case = _case(name, case.program.type, code, rng)
        end = _run(runner, case)
    except BpfvmError as error:
        end = reason(runner.name, error)
    except Exception as error:  # whatever is raised is what is looked for
        crash = f"{runner.name} raised {type(error).__name__}: {error}"
    taken = time.process_time() - began
    if taken > _SLOWEST:
        crash = f"{runner.name} took {taken:.1f} s for a budget of {BUDGET} instructions"
    if crash is not None:
        undecoded = None if case.program.insns else code
        report.differences.append(Difference(case, "crash", (crash,), code=undecoded))
        return
    report.compared += 1
    if end is None:
        report.runs += 1
    else:
        report.rejected[end] += 1


def damaged_case(name: str, rng: random.Random, good: Sequence[Insn]) -> Case:
    """A case of a damaged program. LoadError for bytes that are no program."""
    return _case(name, rng.choices(_TYPES, _TYPE_WEIGHTS)[0], damaged(rng, good), rng)


def _case(name: str, kind: str, code: bytes, rng: random.Random) -> Case:
    """The program of these bytes; its maps are named, so that loading gets past them."""
    insns = [_named(one, rng) for one in decode(code)]
    data = edges.memory(rng, rng.choice((0, 1, 14, SIZE)))
    given = Input(ctx=data) if kind == "syscall" else Input(packet=data)
    return make(name, kind, insns, (given,), (GIVEN, VALUE, TABLE))


def _named(one: Insn, rng: random.Random) -> Insn:
    if one.op.name not in ("lddw_map", "lddw_map_value"):
        return one
    fits = TABLE.name if one.op.name == "lddw_map" else VALUE.name
    return replace(one, symbol=rng.choices((fits, VALUE.name, TABLE.name, "missing"), (60, 1, 1, 1))[0])


def _run(runner: Backend, case: Case) -> str | None:
    """How the program ended, None for an end without a fault."""
    loaded = runner.load(case.spec, PROGRAM, case.maps)
    try:
        fault = loaded.run(case.inputs[0]).fault
        return None if fault is None else f"{runner.name}: fault: {fault.kind}"
    finally:
        loaded.close()


def damaged(rng: random.Random, good: Sequence[Insn]) -> bytes:
    """The bytes of a program after some changes, of instructions or of bytes, or other bytes altogether."""
    choice = rng.random()
    if choice < 0.05:
        return rng.randbytes(rng.randrange(0, 20 * SLOT))
    if choice < 0.15:
        return b"".join(_slot(rng) for _ in range(rng.randrange(1, 12))) + _EXIT
    if choice < 0.65:
        try:
            return encode(changed(rng, good, rng.choice((1, 2, 4, 8, 16))))
        except LoadError:
            return b""
    data = bytearray(encode(good))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not data:
            break
        rng.choice(_DAMAGES)(rng, data)
    return bytes(data)


_EXIT = bytes((0x95, 0, 0, 0, 0, 0, 0, 0))


def _slot(rng: random.Random) -> bytes:
    """An instruction of the table with any operands."""
    op = rng.choice(OPS)
    src = op.src_is if op.src_is is not None else rng.randrange(11) if "src" in op.uses else 0
    off = op.off_is if op.off_is is not None else rng.randrange(-8, 8) if "off" in op.uses else 0
    imm = op.imm_is if op.imm_is is not None else edges.immediate(rng) if "imm" in op.uses else 0
    dst = rng.randrange(11) if "dst" in op.uses else 0
    second = bytes(SLOT) if op.code == 0x18 else b""
    return (bytes((op.code, dst | src << 4)) + off.to_bytes(2, "little", signed=True)
            + imm.to_bytes(4, "little", signed=True) + second)  # fmt: skip


def _flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _replace(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    data[at : at + SLOT] = _slot(rng)


def _remove(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    del data[at : at + SLOT * rng.randrange(1, 4)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = _place(rng, data)
    data[at:at] = data[at : at + SLOT]


def _move(rng: random.Random, data: bytearray) -> None:
    source, at = _place(rng, data), _place(rng, data)
    one = data[source : source + SLOT]
    del data[source : source + SLOT]
    data[at:at] = one


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) if rng.random() < 0.3 else _place(rng, data) :]


def _place(rng: random.Random, data: bytearray) -> int:
    return rng.randrange((len(data) + SLOT - 1) // SLOT) * SLOT


_DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _byte, _byte, _replace, _replace, _remove, _repeat, _move, _cut,
)  # fmt: skip
