"""What is generated and compared: a source of cases, and the tables by which it is counted what they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.fuzz.python.case import Case
from bpfvm.fuzz.python.constructs import CONSTRUCTS, UNMADE, count
from bpfvm.fuzz.python.generate import generated
from bpfvm.lang.target import LEVELS

_FETCHING = ("atomic_fetch", "atomic_xchg", "atomic_cmpxchg")


@dataclass(frozen=True, slots=True)
class Subject:
    """name: of `bpfvm fuzz --kind`. noun: what its cases are, in words. generated: case number n of a seed.

    constructs: names of all that is counted in texts; count: what a text has of them, and of what the compiler has met
    (bpfvm.fuzz.python.met). unmade, unused_ops: constructs and IR operations that no case has, with the reason.
    plain: one case of so many is compiled without fault records, 0 for none.
    witnessed: for refusals of numbers that may not fit, inputs are looked for with which one does not.
    """

    name: str
    noun: str
    generated: Callable[[int, int], Case]
    constructs: tuple[str, ...]
    count: Callable[[str, Counter[str]], Counter[str]]
    unmade: Mapping[str, str]
    unused_ops: Mapping[str, str]
    plain: int = 0
    witnessed: bool = False

    def recorded(self, number: int) -> bool:
        """Whether a case is compiled with fault records."""
        return not self.plain or number // len(LEVELS) % self.plain != 0


def _count(text: str, met: Counter[str]) -> Counter[str]:
    return count(text)


# IR operations that no function of numbers, structs, arrays and packet fields becomes: what makes them, and where those
# programs are compared
BODIES: Mapping[str, str] = {
    name: "the body of what a helper calls is a function of its own when passes are over: tests/programs/callbacks.py"
    for name in ("again", "given", "outcome")
}
UNUSED_OPS: Mapping[str, str] = {
    **BODIES,
    "update": "elements of hash maps that may be new: bpfvm fuzz --kind hooks",
    "helper": "calls of helpers: bpfvm fuzz --kind hooks",
    "function": "functions that are given to helpers: bpfvm fuzz --kind hooks",
    "kfunc": "kernel functions are not called by name",
    **{
        name: "atomic operations with a result: bpfvm fuzz --kind hooks"
        for name in IR_OPS
        if name.startswith(_FETCHING)
    },
    **{name: "memory of the kernel, by CO-RE: tests/tracing" for name in IR_OPS if name.startswith("core")},
    **{name: "packets of socket filters: bpfvm fuzz --kind hooks" for name in IR_OPS if name.startswith("skb")},
}

FUNCTIONS = Subject("python", "functions", generated, CONSTRUCTS, _count, UNMADE, UNUSED_OPS, witnessed=True)
