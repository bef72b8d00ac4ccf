"""The compiler from the IR on: which passes run, in which order, and what happens after them.

A function of the IR is checked before all passes, after each one that says it changed something, and behind the last.
Then it is lowered, its registers are allocated and the allocation is checked, and its blocks are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bpfvm.compiler.emit.layout import layout, linked
from bpfvm.compiler.emit.object import Code, assemble
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import NOTED, FaultExit, Function
from bpfvm.compiler.ir.ops import CALLS
from bpfvm.compiler.ir.text import to_text
from bpfvm.compiler.ir.types import Value
from bpfvm.compiler.lower.select import select
from bpfvm.compiler.passes.bounds import bounds
from bpfvm.compiler.passes.cse import cse
from bpfvm.compiler.passes.dce import dce
from bpfvm.compiler.passes.losses import losses
from bpfvm.compiler.passes.outline import outline
from bpfvm.compiler.passes.prune import prune
from bpfvm.compiler.passes.scalars import scalars
from bpfvm.compiler.passes.sccp import sccp
from bpfvm.compiler.passes.simplify import Fired, simplify
from bpfvm.compiler.passes.swaps import swaps
from bpfvm.compiler.passes.threads import threads
from bpfvm.compiler.regalloc.alloc import allocate
from bpfvm.core.amounts import octets
from bpfvm.core.diag import CompileError, Diag, Note
from bpfvm.core.span import Span
from bpfvm.lang.faults import RECORD
from bpfvm.lang.maps import Map
from bpfvm.lang.target import DEFAULT, Target
from bpfvm.obj.model import FaultSite, MapSpec, ObjectSpec

Dump = Callable[[str, str], None]

STACK_LIMIT = 512  # bytes of a BPF stack frame, and of all frames of a chain of calls (MAX_BPF_STACK)
_LARGEST = 4  # objects that an error names
_FRAME = 32  # what the kernel rounds each frame of a chain up to
FAULT_RECORD = MapSpec(RECORD, "array", 4, 4, 1, hidden=True)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass. run: changes the function in place, tells which rules fired; True when it changed anything."""

    name: str
    run: Callable[[Function, Fired], bool]


PASSES: tuple[Pass, ...] = (
    Pass("scalars", lambda function, _: scalars(function)),
    Pass("simplify", simplify),
    Pass("sccp", sccp),
    Pass("prune", lambda function, _: prune(function)),
    Pass("simplify", simplify),
    Pass("cse", cse),
    Pass("threads", threads),
    Pass("bounds", bounds),
    Pass("swaps", swaps),
    Pass("dce", dce),
    Pass("outline", lambda function, _: outline(function)),
    Pass("prune", lambda function, _: prune(function)),
)

# (earlier, later): why
PASS_ORDER: tuple[tuple[str, str, str], ...] = (
    ("scalars", "simplify", "what was stored and loaded again is a value like any other, and extensions of it are few"),
    ("simplify", "sccp", "a law finds constants where operands vary"),
    ("sccp", "prune", "once ways are decided in one go, prune need not go round for each"),
    ("simplify", "cse", "folding makes operands equal"),
    ("cse", "bounds", "an address that is computed once is one address"),
    ("cse", "threads", "two tests of what is computed twice are tests of one value"),
    ("threads", "dce", "constants of a test that is passed are read no more"),
    ("swaps", "dce", "a swap that only a comparison read is read no more"),
    ("bounds", "dce", "addresses that are tested no more are read no more"),
    ("cse", "dce", "the operands of what is computed once are read no more"),
    ("prune", "dce", "a value is dead only once the ways that read it are gone"),
    ("dce", "outline", "what nothing reads is not shared with a callback"),
)

PASS_NAMES = ("frontend", *dict.fromkeys(one.name for one in PASSES))


def optimise(function: Function, dump: Dump | None = None) -> None:
    """Run PASSES over `function` and its subprograms, checked between. `dump` gets each pass's name and the text."""
    for part in (function, *function.callees.values()):
        check(part)
    if dump is not None:
        dump("frontend", to_text(function))
    for one in PASSES:
        trace = _Trace()
        changed = [one.run(part, trace) for part in (function, *function.callees.values())]
        if any(changed) or one is PASSES[-1]:
            for part in (function, *function.callees.values()):
                check(part)
        if dump is not None:
            dump(one.name, "".join(trace.lines) + to_text(function))


class _Trace:
    """The rules that fired in a pass, as comments of the IR's text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, rule: str, value: Value) -> None:
        self.lines.append(f"; {value}: {rule}\n")


def generate(function: Function, record_faults: bool, target: Target = DEFAULT) -> Code:
    """The machine code of an optimised program. CompileError E071 when it needs more stack than there is."""
    record = FAULT_RECORD if record_faults else None
    parts, lines, stacks, frames = [], {}, {}, {}
    called = _called(function)
    for one in called:
        lowered = select(one, record, target)
        allocate(lowered)
        insns, places = layout(lowered, target.cpu)
        parts.append((one.name, insns))
        lines[one.name], stacks[one.name], frames[one.name] = places, lowered.stack, tuple(lowered.frame)
    stack = max(_deepest(one, stacks) for one in called if one is function or one.is_later)
    if stack > STACK_LIMIT:
        raise CompileError([_too_much_stack(function, stack)])
    code, starts = linked(parts)
    placed = {starts[name] + slot: place for name, places in lines.items() for slot, place in places.items()}
    return Code(function, code, placed, stack, {one: starts[one.name] for one in called[1:]}, frames)


def _called(function: Function) -> list[Function]:
    """A program and the subprograms that its code still calls, depth first."""
    found = {function.name: function}
    waiting = [function]
    while waiting:
        for value in waiting.pop().values():
            if value.op in CALLS and value.name not in found:
                found[value.name] = function.callees[value.name]
                waiting.append(found[value.name])
    return list(found.values())


def _deepest(function: Function, stacks: Mapping[str, int]) -> int:
    """Bytes of stack that a program and a chain of its subprograms take together; the kernel rounds frames up."""
    called = {function.callees[value.name] for value in function.values() if value.op in CALLS}
    own = stacks[function.name]
    inside = [_deepest(one, stacks) for one in called if not one.is_later]
    return _FRAME * -(-max(own, 1) // _FRAME) + max(inside) if inside else own


def _too_much_stack(function: Function, needed: int) -> Diag:
    """E071, at the largest object of the program and its subprograms, or at the program."""
    slots = [slot for one in (function, *function.callees.values()) for slot in one.slots]
    slots.sort(key=lambda slot: -slot.size)
    objects = sum(slot.size for slot in slots)
    shown = [
        f"`{slot.name.replace(':', ': ')}` {octets(slot.size)} (line {slot.source.line})"
        for slot in slots[:_LARGEST]
        if slot.source
    ]
    place = slots[0].source if slots and slots[0].source and objects > STACK_LIMIT // 2 else function.source
    many = "so many values are in use at once that the registers do not hold them"
    return Diag(
        "E071",
        f"`{function.name}` needs {octets(needed)} of stack, the limit is {STACK_LIMIT}",
        Span.of_line(place) if place else None,
        why=many if place is function.source else "a BPF program has one stack of 512 bytes for all that it calls",
        help="use results earlier, or split the function into several programs"
        if place is function.source
        else "keep large objects in a map, or make them smaller",
        notes=(Note(f"the largest objects: {', '.join(shown)}; all together {octets(objects)}"),) if shown else (),
    )


def distinct(functions: Sequence[Function]) -> None:
    """Give subprograms of several programs that have one name and differ names of their own: BTF knows them by name."""
    texts: dict[str, str] = {function.name: "" for function in functions}
    for function in functions:
        for name, one in list(function.callees.items()):
            text, count = to_text(one), 1
            while texts.setdefault(one.name, text) != text:
                count += 1
                one.name = f"{name}_{count}"
                text = to_text(one)
            if one.name != name:
                _rename(function, name, one)


def _rename(function: Function, old: str, callee: Function) -> None:
    function.callees[callee.name] = function.callees.pop(old)
    for part in (function, *function.callees.values()):
        for value in part.values():
            if value.op in CALLS and value.name == old:
                value.name = callee.name


def _number_sites(functions: Sequence[Function]) -> None:
    """Count the fault sites of all programs in one table: a run may end in another program than it began in."""
    table: list[FaultSite] = []
    for function in functions:
        before, parts = len(table), (function, *function.callees.values())
        for block in (block for part in parts for block in part.blocks):
            end = block.terminator
            if isinstance(end, FaultExit) and end.site != NOTED:
                end.site += before
        table += function.fault_sites
        for part in parts:
            part.fault_sites = table


def compile_functions(
    functions: Sequence[Function], declared: Mapping[str, Map], record_faults: bool = False, dump: Dump | None = None,
    target: Target = DEFAULT, count_lost: bool = False,
) -> ObjectSpec:  # fmt: skip
    """One object of all `functions`. declared: the maps that they name; each is laid out by its own types."""
    code = []
    distinct(functions)
    if record_faults and len(functions) > 1:
        _number_sites(functions)
    for function in functions:
        if count_lost:
            losses(function)
        optimise(function, dump)
        code.append(generate(function, record_faults, target))
    return assemble(code, declared, FAULT_RECORD if record_faults else None)
