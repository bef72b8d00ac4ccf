"""Loops that a helper makes: it calls the body for each turn, and passes something to it.

In the IR such a loop has an `again` at its head, and looks like any other; passes.outline makes the callback of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from bpfvm.compiler.frontend.control import loops
from bpfvm.compiler.frontend.control.loops import Body
from bpfvm.compiler.frontend.state import Ends
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.ir.types import Ptr, Type, Word
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.types.interval import U64, of_bits
from bpfvm.tables.helpers.callbacks import CALLBACKS

_TYPES: dict[str, Type] = {
    "number": Word(of_bits(32, signed=False)), "map": Ptr("map"), "key": Ptr("map_value"), "value": Ptr("map_value"),
    "object": Word(U64), "dynptr": Ptr("dynptr"),
}  # fmt: skip


def loop(
    f: Translation, node: ast.AST, helper: str, operands: Sequence[Register], names: Iterable[str],
    body: Callable[[Register], None], turns: int = LIMIT,
) -> tuple[Ends, Register]:  # fmt: skip
    """The loop that a helper makes. operands: its arguments, but for the function, its context and the flags. body:
    translates one turn; it gets the `again` of the head. The ends where the helper is done, and the last `again`."""
    made: list[Register] = []

    def turn() -> Ends:
        again = f.builder.op("again", *operands, named=helper)
        made.append(again)
        onward, over = f.split("ne", again, f.number(0))
        f.resume(onward)
        f.depth += 1
        body(again)
        f.depth -= 1
        return [over]

    exits = loops.run(f, Body(node, turn, names, turns, called=True))
    return exits, made[-1]


def given(f: Translation, again: Register, place: int) -> Register:
    """What the helper passes to the body in one place, a number or an address."""
    kind = CALLBACKS[again.name].kinds[place]
    return f.builder.op("given", again, type=_TYPES[kind], imm=place)


def outcome(f: Translation, again: Register) -> Register:
    """What the helper gives, behind the loop."""
    return f.builder.op("outcome", again)
