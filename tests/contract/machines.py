"""The table of what all machines are compared on; tests with and without a kernel are made of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.run.backend import ENGINES
from tests.contract import data_files, functions, objects, packets
from tests.contract.comparison import Comparison

CPYTHON = "cpython"  # a machine for functions alone
SHOWN = 20  # wrong cases
MACHINES = (CPYTHON, *(row.name for row in ENGINES))


@dataclass(frozen=True, slots=True)
class Corpus:
    """One kind of program. least: the floors of Comparison.counts. refused: the least number of programs that an
    emulator and the kernel must refuse. reasons: beginnings of all that may keep a machine from a case."""

    name: str
    compare: Callable[[str], Comparison]
    least: Mapping[str, int]
    refused: tuple[int, int] = (0, 0)
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def check(self, machine: str) -> None:
        """Compare all of it on the machine; say what was compared, and fail under a floor."""
        found = self.compare(machine)
        print(f"{machine}, {self}: {found}")
        assert not found.wrong, f"{len(found.wrong)} wrong:\n" + "\n".join(found.wrong[:SHOWN])
        for what, floor in self.least.items():
            assert found.counts[what] >= floor, f"{what}: {found.counts[what]} is under the floor of {floor}"
        floor = self.refused[machine == "kernel"]
        assert found.refused >= floor, f"{found.refused} programs refused are under the floor of {floor}"
        others = [reason for reason in found.elsewhere if not reason.startswith(self.reasons)]
        assert not others, "nothing explains that these are left out: " + "; ".join(others)


# "engine kernel …" and "BPF_PROG_TEST_RUN …": types and inputs that no kernel runs on demand
CORPORA = (
    Corpus("data files", data_files.compare_all, {"cases": 13_000}, refused=(75, 320)),
    Corpus(
        "objects", objects.compare, {"objects": 180, "programs": 240, "runs": 1_300}, refused=(40, 35),
        reasons=("engine kernel ", "BPF_PROG_TEST_RUN ", "by this host: "),
    ),
    Corpus("packet programs", packets.compare, {"programs": 89, "frames": 25_000}),
    Corpus("functions", functions.compare, {"functions": 330, "runs": 3_000}),
)  # fmt: skip


def pairs() -> list[tuple[Corpus, str]]:
    """Every corpus with every machine that it is for."""
    every = itertools.product(CORPORA, MACHINES)
    return [(corpus, machine) for corpus, machine in every if machine != CPYTHON or corpus.name == "functions"]
