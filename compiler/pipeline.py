"""The compiler from the IR on: which passes run, in which order, and what happens after them.

A function of the IR is checked before and after every pass. Then it is lowered, its registers are allocated and the
allocation is checked, and its blocks are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bpfvm.compiler.emit.layout import layout
from bpfvm.compiler.emit.object import Code, assemble
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.text import to_text
from bpfvm.compiler.ir.types import Value
from bpfvm.compiler.lower.select import select
from bpfvm.compiler.passes.dce import dce
from bpfvm.compiler.passes.prune import prune
from bpfvm.compiler.passes.simplify import Fired, simplify
from bpfvm.compiler.regalloc.alloc import allocate
from bpfvm.core.diag import CompileError, Diag, Note
from bpfvm.lang.faults import RECORD
from bpfvm.lang.maps import Map
from bpfvm.obj.model import MapSpec, ObjectSpec

Dump = Callable[[str, str], None]

STACK_LIMIT = 512  # bytes of a BPF stack frame (MAX_BPF_STACK)
FAULT_RECORD = MapSpec(RECORD, "array", 4, 4, 1, hidden=True)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass. run: changes the function in place, tells which rules fired; True when it changed anything."""

    name: str
    run: Callable[[Function, Fired], bool]


PASSES: tuple[Pass, ...] = (
    Pass("simplify", simplify),
    Pass("prune", lambda function, _: prune(function)),
    Pass("simplify", simplify),
    Pass("dce", lambda function, _: dce(function)),
)

# (earlier, later): why
PASS_ORDER: tuple[tuple[str, str, str], ...] = (
    ("simplify", "prune", "folding makes the constants that branches are decided on"),
    ("prune", "dce", "a value is dead only once the ways that read it are gone"),
)

PASS_NAMES = ("frontend", *dict.fromkeys(one.name for one in PASSES))


def optimise(function: Function, dump: Dump | None = None) -> None:
    """Run PASSES over `function`, checked between. `dump` gets each pass's name and the text after it."""
    check(function)
    if dump is not None:
        dump("frontend", to_text(function))
    for one in PASSES:
        trace = _Trace()
        one.run(function, trace)
        check(function)
        if dump is not None:
            dump(one.name, "".join(trace.lines) + to_text(function))


class _Trace:
    """The rules that fired in a pass, as comments of the IR's text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, rule: str, value: Value) -> None:
        self.lines.append(f"; {value}: {rule}\n")


def generate(function: Function, record_faults: bool) -> Code:
    """The machine code of an optimised function. CompileError E071 when it needs more stack than a frame has."""
    lowered = select(function, FAULT_RECORD if record_faults else None)
    allocate(lowered)
    if lowered.stack > STACK_LIMIT:
        raise CompileError([_too_much_stack(function, lowered.stack)])
    insns, lines = layout(lowered)
    return Code(function, insns, lines, lowered.stack)


def _too_much_stack(function: Function, needed: int) -> Diag:
    return Diag(
        "E071",
        f"`{function.name}` needs {needed} bytes of stack, the limit is {STACK_LIMIT}",
        None,
        why="so many values are in use at once that the registers do not hold them",
        help="use results earlier, or split the function into several programs",
        notes=(Note(f"defined at {function.source}"),) if function.source else (),
    )


def compile_functions(
    functions: Sequence[Function], declared: Mapping[str, Map], record_faults: bool = False, dump: Dump | None = None
) -> ObjectSpec:
    """One object of all `functions`. declared: the maps that they name; each is laid out by its own types."""
    code = []
    for function in functions:
        optimise(function, dump)
        code.append(generate(function, record_faults))
    return assemble(code, declared, FAULT_RECORD if record_faults else None)
