"""The C programs of tests/packets over the frames that are made for them, their maps filled: all they make of them."""

from __future__ import annotations

import json
from functools import cache

from bpfvm.kernel.host.sizes import possible_cpus
from bpfvm.run.backend import engine
from tests.contract.comparison import Comparison
from tests.packets.cases import GOLDEN, GROUPS, layer
from tests.packets.machines import digest

CPUS = 2  # of the machine that the golden file is of


def compare(name: str) -> Comparison:
    """Every program on the machine. An emulator has the golden file's CPUs; a kernel with another number of them is
    held to the reference tier with as many."""
    found, cpus = Comparison(), possible_cpus() if name == "kernel" else CPUS
    for group in GROUPS:
        frames = group.frames
        for case in group.cases:
            backend = engine(name, cpus=cpus if name != "kernel" else 1)
            met = digest(case, layer(case), backend, cpus, frames)
            wanted = golden()[str(case)]
            if cpus != CPUS:
                wanted = digest(case, layer(case), engine("interp", cpus=cpus), cpus, frames)
            if met != wanted:
                found.wrong.append(f"{case}: {met}, and must be {wanted} (tests/packets/cases.py)")
            found.counts["programs"] += 1
            found.counts["frames"] += len(frames)
    return found


@cache
def golden() -> dict[str, str]:
    """What a kernel with two CPUs made of each program's frames."""
    known: dict[str, str] = json.loads(GOLDEN.read_text())
    return known
