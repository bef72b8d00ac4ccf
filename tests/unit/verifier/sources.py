"""Programs to hold the model against a machine, by number: generated, changed, of objects and of the data files.

A number stands for one program with its inputs for ever, so that what is found is found again.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.fuzz import edges, generate
from bpfvm.fuzz.case import PROGRAM, Case, generated
from bpfvm.fuzz.mutate import changed
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME
from bpfvm.testing.verdicts import VerdictCase, load_verdicts
from bpfvm.verifier.program.raw import read
from tests.unit.verifier.mutants import mutant, originals
from tests.unit.verifier.programs import program

TESTS = Path(__file__).parents[2]
SEED = 1
KINDS = ("straight", "generated", "changed", "of objects", "of data files")
_SIZES = (40, 60, 64, 128, 600)  # of packets, in bytes
_CONTEXT, _INPUTS, _TRIES = 64, 3, 8


def case_of(number: int) -> tuple[str, Case]:
    """The program's kind, one of KINDS, and the program."""
    kind = KINDS[number % len(KINDS)]
    match kind:
        case "straight":
            return kind, _straight(number)
        case "generated":
            return kind, generated(generate.program, SEED, number)
        case "changed":
            return kind, generated(_changed, SEED, number)
        case "of objects":
            return kind, _mutant(_of_objects(), number)
        case _:
            return kind, _mutant(_of_data_files(), number)


def _straight(number: int) -> Case:
    """Numbers, jumps and the stack, on a context of 32 bytes; every fourth with loops."""
    insns = tuple(assemble(program(number, number % 4 == 1).replace("r3 = *(u64 *)(r10 -8)", "r3 = *(u64 *)(r6 +0)")))
    chance = random.Random(number)
    words = [[chance.choice((0, 1, 7, 1 << 31, (1 << 32) - 1, chance.getrandbits(32))) for _ in range(8)]
             for _ in range(_INPUTS + 1)]  # fmt: skip
    inputs = tuple(Input(ctx=b"".join(word.to_bytes(4, "little") for word in one)) for one in words)
    return Case(
        f"straight {number}", ObjectSpec({PROGRAM: ProgramSpec(PROGRAM, "syscall", "syscall", insns)}, {}), inputs
    )


def _changed(chance: random.Random, name: str) -> Case:
    """A generated program with one to three changes of any kind, whether machines agree on it or not."""
    base = generate.program(chance, name)
    for _ in range(8):
        try:
            return base.with_insns(changed(chance, base.program.insns, chance.randrange(1, 4)))
        except BpfvmError:
            continue
    return base


@functools.cache
def _of_objects() -> list[VerdictCase]:
    return [one for one in originals((TESTS / "packets", TESTS / "objects")) if _runs(one)]


@functools.cache
def _of_data_files() -> list[VerdictCase]:
    return [one for one in load_verdicts(TESTS / "verifier") if _runs(one)]


def _runs(one: VerdictCase) -> bool:
    from bpfvm.emulator.contexts.builder import RUNS

    return one.type in RUNS


def _mutant(cases: list[VerdictCase], number: int) -> Case:
    """One of the cases as it is, or changed."""
    chance = random.Random(number)
    for attempt in range(_TRIES):
        case = chance.choice(cases) if chance.random() < 0.3 else mutant(cases, number * _TRIES + attempt)
        raw = read(case.code, case.symbols)
        insns = () if raw.early or raw.bad else tuple(raw.insns)
        if insns:
            break
    one = ProgramSpec(PROGRAM, case.type, case.type, insns)
    spec = ObjectSpec({PROGRAM: one}, {each.name: each for each in case.maps}, license=case.license)
    return Case(f"{case.name} {number}", spec, tuple(_inputs(chance, case.type)))


def _inputs(chance: random.Random, kind: str) -> Iterator[Input]:
    row = BY_NAME[kind]
    for _ in range(_INPUTS):
        if row.layer is not None or kind == "sk_skb":
            yield Input(packet=edges.memory(chance, chance.choice(_SIZES)))
        elif row.context is None:
            yield Input(ctx=edges.memory(chance, _CONTEXT))
        else:
            yield Input()
