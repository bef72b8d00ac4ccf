"""The status: the word of the stack in which what is called tells that it has ended by a fault."""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.ir.build import Block
from bpfvm.compiler.ir.function import NOTED, Function
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.machine import Location
from bpfvm.obj.model import FaultSite

_NAME = "status"


def call(f: Translation, callee: Function, arguments: Sequence[Register], *, needs_context: bool) -> Register:
    """Call a subprogram with its hidden arguments, and go on where it has not ended by a fault."""
    f.stored()
    builder, words = f.builder, list(arguments)
    if needs_context:
        words.append(builder.ctx())
    if not callee.has_status:
        return builder.call(callee, *words)
    status = cleared(f)
    result = builder.call(callee, *words, status)
    test(f, status)
    return result


def cleared(f: Translation) -> Register:
    """The address of the status, which says that nothing has ended."""
    place = next((place for place, one in enumerate(f.target.slots) if one.name == _NAME), None)
    made = f.builder
    status = made.slot(_NAME, 8) if place is None else made.op("slot", type=Ptr("stack"), imm=place)
    made.op("store64", status, f.number(0))
    return status


def test(f: Translation, status: Register) -> None:
    """End by the fault that what was called has ended by, where it has."""
    onward = f.builder.new_block()
    f.builder.branch("ne", f.builder.op("load64", status), f.number(0), _noted(f), onward)
    f.builder.at(onward)


def fault(f: Translation) -> None:
    """End by the fault that what was called has ended by: it has for certain."""
    f.builder.goto(_noted(f))
    f.leave()


def _noted(f: Translation) -> Block:
    site = FaultSite("", "in a subprogram", Location("", 0))
    return f.fault_exit(site, NOTED)
