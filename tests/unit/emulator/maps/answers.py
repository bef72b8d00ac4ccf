"""Sequences of operations on maps with the kernel's answers, as text:

    map lru_hash 4 8 16 0x40                 type, sizes of key and value, entries, flags
    0 update 01000000 0 05 = 0               CPU, operation, key or -, flags or CPU, byte that fills the value = answer

Operations of user space are lookup, update, delete, pop, next and first; those of programs are use (lookup), look
(lookup on the CPU that stands in place of the flags), change (update) and drop (delete). An answer is an errno or a
value or key in hex, values of CPUs with commas between; measured on 6.18 with 2 possible CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

PATH = Path(__file__).with_name("answers.txt")
CPUS = 2
PROGRAMS = ("use", "look", "change", "drop")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. number: flags, or a CPU. filler: the byte of which a given value consists."""

    cpu: int
    operation: str
    key: bytes | None
    number: int
    filler: int
    answer: str

    def __str__(self) -> str:
        key = "-" if self.key is None else self.key.hex()
        return f"{self.cpu} {self.operation} {key} {self.number} {self.filler:02x}"


@dataclass(frozen=True, slots=True)
class Case:
    """A map and what is done to it."""

    line: int
    spec: MapSpec
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.spec.type}-{self.spec.max_entries}-line-{self.line}"


def value_of(spec: MapSpec, filler: int) -> bytes | list[bytes]:
    """What user space stores: another byte on each CPU."""
    if BY_NAME[spec.type].per_cpu:
        return [bytes([filler ^ cpu]) * spec.value_size for cpu in range(CPUS)]
    return bytes([filler]) * spec.value_size


def shown(answer: object) -> str:
    """An answer as text."""
    if isinstance(answer, list):
        return ",".join(one.hex() for one in answer)
    return answer.hex() if isinstance(answer, bytes) else str(answer)


def read() -> list[Case]:
    """Every case of the file."""
    cases: list[Case] = []
    steps: list[Step] = []
    for number, line in enumerate(PATH.read_text().splitlines(), 1):
        if line.startswith("map "):
            kind, key, value, entries, flags = line.split()[1:]
            steps = []
            spec = MapSpec("m", kind, int(key), int(value), int(entries), int(flags, 16))
            cases.append(Case(number, spec, ()))
        elif line:
            asked, _, answer = line.partition(" = ")
            cpu, operation, name, flags, filler = asked.split()
            key_bytes = None if name == "-" else bytes.fromhex(name)
            steps.append(Step(int(cpu), operation, key_bytes, int(flags), int(filler, 16), answer))
            cases[-1] = Case(cases[-1].line, cases[-1].spec, tuple(steps))
    return cases


def play(case: Case, ask: Callable[[Step], object]) -> list[str]:
    """Where the answers are others than those of the file, with the operations before."""
    done: list[str] = []
    for step in case.steps:
        found = shown(ask(step))
        done.append(f"{step} = {found}")
        if found != step.answer:
            return [*done[-6:], f"and not {step.answer}"]
    return []
