"""scalars: numbers in stack objects whose addresses go nowhere become values; the objects go away with them.

A piece is a run of bytes that is always loaded and stored as one number. Stores of constants may cover several pieces,
as those that make an object do: each piece gets its part. Where accesses overlap otherwise the bytes stay in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bpfvm.compiler.ir.function import Block, Function, edges, operands, replace_operands
from bpfvm.compiler.ir.graph import immediate_dominators, order, predecessors
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value, Word
from bpfvm.core.bits import mask
from bpfvm.lang.interval import Interval, of_bits

_MOST = 16  # pieces of one object that become values: more would only be spilled, each to 8 bytes

Span = tuple[int, int]  # first byte, and the byte behind the last


@dataclass(slots=True)
class _Object:
    """The accesses to one stack object."""

    loads: list[Value] = field(default_factory=list)
    stores: list[Value] = field(default_factory=list)

    def pieces(self) -> tuple[list[Span], bool]:
        """The pieces that can become values, and whether all accesses are to such."""
        spans = sorted({_span(one) for one in (*self.loads, *(one for one in self.stores if not _is_constant(one)))})
        constants = {_span(one) for one in self.stores if _is_constant(one)}
        found, whole = [], True
        for group in _overlapping(spans):
            start, end = group[0][0], max(one[1] for one in group)
            cut = any(a < end and start < b and not (a <= start and end <= b) for a, b in constants)
            if len(group) == 1 and not cut:
                found.append(group[0])
            else:
                whole = False
        return (found, whole) if len(found) <= _MOST else ([], False)


def scalars(function: Function) -> bool:
    """Make values of what lies in stack objects. True when anything changed.

    Needs: SSA.  Keeps: SSA, blocks. A load of what was never stored gives 0. Leaves slot values that nothing reads.
    """
    changed = False
    function.blocks = order(function)
    for number, one in _private(function).items():
        found, whole = one.pieces()
        if not found and not whole:
            continue
        changed = True
        for span in found:
            _Promotion(function, one, span).run()
        if whole:
            _remove(function, {value for value in one.stores if value.args[0].imm == number})
    if changed:
        _drop_slots(function)
        _look_through(function)
    return changed


def _private(function: Function) -> dict[int, _Object]:
    """The objects that are only loaded from and stored to, by number."""
    found: dict[int, _Object] = defaultdict(_Object)
    public: set[int] = set()
    for block in function.blocks:
        for value in block.values:
            for place, arg in enumerate(value.args):
                if arg.op != "slot":
                    continue
                if value.op.startswith("load"):
                    found[arg.imm].loads.append(value)
                elif value.op.startswith("store") and place == 0:
                    found[arg.imm].stores.append(value)
                else:
                    public.add(arg.imm)
        public |= {value.imm for value in operands(block.terminator) if value.op == "slot"}
    return {number: found[number] for number in sorted(found) if number not in public}


def _span(value: Value) -> Span:
    return value.imm, value.imm + IR_OPS[value.op].bits // 8


def _is_constant(store: Value) -> bool:
    return store.args[1].op == "const"


def _overlapping(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Sorted spans in groups of those that overlap."""
    group: list[Span] = []
    end = 0
    for one in spans:
        if group and one[0] >= end:
            yield group
            group = []
        group.append(one)
        end = max(end, one[1]) if len(group) > 1 else one[1]
    if group:
        yield group


class _Promotion:
    """One piece that becomes a value in each block, a parameter where ways with different ones meet."""

    def __init__(self, function: Function, one: _Object, span: Span) -> None:
        self._function, self._span = function, span
        self._bits = 8 * (span[1] - span[0])
        self._loads = {value for value in one.loads if _span(value) == span}
        self._stores = {value for value in one.stores if _covers(_span(value), span)}
        self._ids = 1 + max(value.id for block in function.blocks for value in (*block.params, *block.values))
        self._params: dict[Block, Value] = {}
        self._new: dict[Value, Value] = {}

    def run(self) -> None:
        """Replace the loads, and take away the stores that were of this piece alone."""
        above = immediate_dominators(self._function)
        for block in self._joins(above):
            self._params[block] = self._value("param", [], of_bits(self._bits, signed=False))
            block.params.append(self._params[block])
        below: dict[Block, list[Block]] = {block: [] for block in above}
        for block, parent in above.items():
            if parent is not None:
                below[parent].append(block)
        entry = self._function.blocks[0]
        waiting: list[tuple[Block, Value | None]] = [(entry, None)]
        while waiting:
            block, known = waiting.pop()
            known = self._block(block, known)
            waiting += [(one, known) for one in below[block]]
        last = {load: self._latest(load) for load in self._new}
        for block in self._function.blocks:
            for value in block.values:
                value.args = [last.get(arg, arg) for arg in value.args]
            replace_operands(block.terminator, last)

    def _value(self, op: str, args: list[Value], range: Interval, imm: int = 0) -> Value:
        self._ids += 1
        return Value(self._ids, op, args, Word(range), imm)

    def _latest(self, value: Value) -> Value:
        while value in self._new:
            value = self._new[value]
        return value

    def _block(self, block: Block, known: Value | None) -> Value:
        """Rewrite one block, behind which the piece is the result; `known` before it."""
        known = self._params.get(block, known)
        kept: list[Value] = []
        if known is None:
            known = self._value("const", [], Interval(0, 0))
            kept.append(known)
        for value in block.values:
            if value in self._loads:
                self._new[value] = known
            elif value in self._stores:
                known = self._stored(value, kept)
            else:
                kept.append(value)
        block.values = kept
        for target, args in edges(block.terminator):
            if target in self._params:
                args.append(known)
        return known

    def _stored(self, store: Value, kept: list[Value]) -> Value:
        """The piece behind a store. What the store says of other bytes stays a store."""
        what, (start, _) = store.args[1], self._span
        if what.op == "const":
            word = what.imm >> 8 * (start - store.imm) & mask(self._bits)
            made = self._value("const", [], Interval(word, word), word)
            kept += [made] if _span(store) == self._span else [store, made]
            return made
        if self._bits == 64 or (isinstance(what.type, Word) and what.type.range.within(of_bits(self._bits, False))):
            return what
        made = self._value(f"zext{self._bits}", [what], of_bits(self._bits, signed=False))
        made.span = store.span
        kept.append(made)
        return made

    def _joins(self, above: Mapping[Block, Block | None]) -> list[Block]:
        """The blocks where different stores meet and the piece is still read."""
        frontier = _frontiers(self._function, above)
        live = self._live(above)
        waiting = [block for block in above if any(value in self._stores for value in block.values)]
        found: dict[Block, None] = {}
        while waiting:
            for block in frontier[waiting.pop()]:
                if block not in found and block in live:
                    found[block] = None
                    waiting.append(block)
        return list(found)

    def _live(self, above: Mapping[Block, Block | None]) -> set[Block]:
        """The blocks at whose start the piece is read before it is stored."""
        before = predecessors(self._function)
        first = {block: self._first(block) for block in above}
        waiting = [block for block, one in first.items() if one == "load"]
        live: set[Block] = set(waiting)
        while waiting:
            for block in before[waiting.pop()]:
                if block not in live and first[block] is None:
                    live.add(block)
                    waiting.append(block)
        return live

    def _first(self, block: Block) -> str | None:
        """What a block does with the piece first."""
        for value in block.values:
            if value in self._loads:
                return "load"
            if value in self._stores:
                return "store"
        return None


def _covers(a: Span, b: Span) -> bool:
    return a[0] <= b[0] and b[1] <= a[1]


def _frontiers(function: Function, above: Mapping[Block, Block | None]) -> dict[Block, set[Block]]:
    """For each block those where its ways meet others."""
    found: dict[Block, set[Block]] = {block: set() for block in above}
    for block, parents in predecessors(function).items():
        if len(parents) < 2:
            continue
        for parent in parents:
            runner: Block | None = parent
            while runner is not None and runner is not above[block]:
                found[runner].add(block)
                runner = above[runner]
    return found


def _remove(function: Function, values: set[Value]) -> None:
    for block in function.blocks:
        block.values = [one for one in block.values if one not in values]


def _look_through(function: Function) -> None:
    """What takes the low bits of a number takes those of what it was cut from: nobody reads the others."""
    for value in function.values():
        if not value.op.startswith(("zext", "sext", "bswap")):
            continue
        bits, inner = IR_OPS[value.op].bits, value.args[0]
        while inner.op.startswith(("zext", "sext")) and IR_OPS[inner.op].bits >= bits:
            inner = inner.args[0]
        value.args[0] = inner


def _drop_slots(function: Function) -> None:
    """Forget the objects that nothing names any more, and number the others anew."""
    used = {arg.imm for value in function.values() for arg in value.args if arg.op == "slot"}
    used |= {value.imm for block in function.blocks for value in operands(block.terminator) if value.op == "slot"}
    numbers = {old: new for new, old in enumerate(sorted(used))}
    for block in function.blocks:
        block.values = [one for one in block.values if one.op != "slot" or one.imm in numbers]
        for one in block.values:
            if one.op == "slot":
                one.imm = numbers[one.imm]
    function.slots = [function.slots[old] for old in sorted(used)]
