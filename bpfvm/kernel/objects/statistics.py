"""What the kernel's verifier did for the programs of an object: the statistics of its log.

    verification time 61 usec
    stack depth 8+0
    processed 22 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0

(measured on 6.18; since 5.2. Of the stack there is a depth for each function.)
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.objects.load import Loading, check_switch
from bpfvm.kernel.programs.lacks import attempted
from bpfvm.kernel.programs.workarounds import Lacks
from bpfvm.obj.model import ObjectSpec

_WALKED = re.compile(r"processed (\d+) insns .*total_states (\d+) peak_states (\d+)")
_STACK = re.compile(r"stack depth ([\d+]+)")


@dataclass(frozen=True, slots=True)
class Statistics:
    """processed: instructions that were walked. states: kept in all; peak: at once. stack: bytes, of all functions."""

    processed: int
    states: int
    peak: int
    stack: int


def statistics(spec: ObjectSpec, program: str) -> Statistics:
    """Load a program, and what it calls at its end, and close it. Raises what a load raises."""
    check_switch()

    def heard(spec: ObjectSpec, lacks: Lacks) -> str:
        told: dict[str, str] = {}
        with ExitStack() as opened:
            Loading(spec, [program], opened, {}, lacks=lacks, told=told).program(program)
        return told[program]

    return read(attempted(spec, heard))


def read(log: str) -> Statistics:
    """The statistics in a log. Raises Unavailable where it has none."""
    walked, stack = _WALKED.search(log), _STACK.search(log)
    if walked is None:
        raise Unavailable(f"this kernel's verifier writes no statistics (since 5.2): {log[:200]!r}")
    processed, states, peak = map(int, walked.groups())
    return Statistics(processed, states, peak, sum(map(int, stack[1].split("+"))) if stack else 0)
