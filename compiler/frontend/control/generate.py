"""Arrays of generator expressions: `u32[8](i * i for i in range(8))`."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.control import iterate
from bpfvm.compiler.frontend.control.iterables import Items
from bpfvm.compiler.frontend.control.iterate import Source
from bpfvm.compiler.frontend.control.reduce import Reduction, Store, each_item, forget, source_of
from bpfvm.compiler.frontend.control.visits import Visits
from bpfvm.compiler.frontend.memory import access, construct, items, place
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, Number, Value, constant
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.layout import Layout


def array(f: Translation, node: ast.Call, kind: Layout, store: Store) -> Value:
    """A new array with an item for each turn of the generator, which makes as many as the array has."""
    source = node.args[0]
    assert isinstance(source, ast.GeneratorExp), "asked of generators"
    reduction = Reduction(node, source, store)
    first = source_of(f, reduction)
    if first is None or not isinstance(kind, ArrayType):
        return BAD if first is None else _wrong(f, node, f"`{kind.__name__}` takes its fields by name")
    length = kind.__length__
    if len(source.generators) > 1 or source.generators[0].ifs or _count(first) != length:
        return _wrong(
            f, node, f"`{kind.__name__}` takes {length} items, and the generator does not give so many always"
        )
    made = construct.new(f, kind, node)
    access.put(f, made, kind.__image__)
    at = reduction.hidden("the next item")
    f.state.names[at] = constant(0)

    def put(one: Value, text: ast.expr) -> None:
        index = f.state.names[at]
        if not isinstance(index, Number) or isinstance(one, Bad):
            return
        known = items.inside(f, f.state.known(index), (length, 1), text, kind.__name__)
        place.write(f, items.element(f, made, kind.__element__, known, f"an item of {kind.__name__}"), one, text)
        range = Interval(known.range.lo + 1, known.range.hi + 1)
        more = None if known.constant is not None else f.typed(range, f.op("add", f.register(known), f.number(1)))
        f.state.names[at] = Number(INT, range, more)

    before = f.end()
    each_item(f, reduction, _few(first), put)
    if not f.reachable:
        f.never(before)
        return BAD
    forget(f, reduction)
    return made


def _count(first: Source) -> int | None:
    """How many turns there are, where that is known."""
    if isinstance(first, Items):
        return len(first.values)
    if isinstance(first, Visits):
        return None
    start, stop = first.start.constant, first.stop.constant
    return None if start is None or stop is None else len(range(start, stop, first.step))


def _few(first: Source) -> Source:
    """A range of few numbers one by one."""
    return iterate.listed(first) or first


def _wrong(f: Translation, node: ast.Call, text: str) -> Bad:
    return f.error("E013", text, node.args[0], why="CPython would raise TypeError or ValueError",
                   help="u32[8](i * i for i in range(8))")  # fmt: skip
