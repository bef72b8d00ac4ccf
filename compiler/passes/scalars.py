"""scalars: numbers in stack objects whose addresses go nowhere become values; the objects go away with them.

A piece is a run of bytes that is always loaded and stored as one number. Stores of constants may cover several pieces,
as those that make an object do: each piece gets its part. Where accesses overlap otherwise the bytes stay in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bpfvm.compiler.ir.function import Block, Function, edges, latest, operands, replace_operands
from bpfvm.compiler.ir.graph import immediate_dominators, order, predecessors
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value, Word
from bpfvm.core.bits import mask
from bpfvm.lang.types.interval import Interval, of_bits

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
    function.blocks = order(function)
    pieces: list[_Piece] = []
    gone: set[Value] = set()
    for number, one in _private(function).items():
        found, whole = one.pieces()
        pieces += [_Piece(number, span) for span in found]
        gone |= {value for value in one.stores if whole and value.args[0].imm == number}
    if not pieces and not gone:
        return False
    if pieces:
        _Promotion(function, pieces).run()
    _remove(function, gone)
    _drop_slots(function)
    _look_through(function)
    return True


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


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `span` of stack object `number`."""

    number: int
    span: Span

    @property
    def bits(self) -> int:
        return 8 * (self.span[1] - self.span[0])


class _Promotion:
    """Pieces that become values in each block, parameters where ways with different ones meet. Blocks that have to do
    with no piece cost nothing."""

    def __init__(self, function: Function, pieces: Sequence[_Piece]) -> None:
        self._function = function
        self._ids = 1 + max(value.id for block in function.blocks for value in (*block.params, *block.values))
        self._loads: dict[Value, _Piece] = {}
        self._stores: dict[Value, list[_Piece]] = {}
        self._first: dict[_Piece, dict[Block, bool]] = {one: {} for one in pieces}  # whether blocks load it first
        self._stored_in: dict[_Piece, dict[Block, None]] = {one: {} for one in pieces}
        self._params: dict[Block, list[tuple[_Piece, Value]]] = {}
        self._new: dict[Value, Value] = {}
        self._find_accesses(pieces)

    def _find_accesses(self, pieces: Sequence[_Piece]) -> None:
        of_object: dict[int, list[_Piece]] = defaultdict(list)
        for piece in pieces:
            of_object[piece.number].append(piece)
        for block in self._function.blocks:
            for value in block.values:
                load, store = value.op.startswith("load"), value.op.startswith("store")
                if not (load or store) or value.args[0].op != "slot":
                    continue
                span = _span(value)
                for piece in of_object.get(value.args[0].imm, ()):
                    if load and span == piece.span:
                        self._loads[value] = piece
                    elif store and _covers(span, piece.span):
                        self._stores.setdefault(value, []).append(piece)
                        self._stored_in[piece][block] = None
                    else:
                        continue
                    self._first[piece].setdefault(block, load)

    def run(self) -> None:
        """Replace the loads, and take away the stores that were of one piece alone."""
        above = immediate_dominators(self._function)
        self._make_params(above)
        below: dict[Block, list[Block]] = {block: [] for block in above}
        for block, parent in above.items():
            if parent is not None:
                below[parent].append(block)
        known: dict[_Piece, Value] = {}
        waiting: list[tuple[Block, dict[_Piece, Value | None] | None]] = [(self._function.blocks[0], None)]
        while waiting:
            block, before = waiting.pop()
            if before is not None:  # all that it dominates is done
                _restore(known, before)
                continue
            waiting.append((block, self._block(block, known)))
            waiting += [(one, None) for one in below[block]]
        last = {load: latest(self._new, load) for load in self._new}
        for block in self._function.blocks:
            for value in block.values:
                value.args = [last.get(arg, arg) for arg in value.args]
            replace_operands(block.terminator, last)

    def _value(self, op: str, args: list[Value], range: Interval, imm: int = 0) -> Value:
        self._ids += 1
        return Value(self._ids, op, args, Word(range), imm)

    def _block(self, block: Block, known: dict[_Piece, Value]) -> dict[_Piece, Value | None]:
        """Rewrite one block. known: what each piece is before it, afterwards behind it. The result is what those were
        that are other ones now, None for what was never stored."""
        before: dict[_Piece, Value | None] = {}

        def learn(piece: _Piece, value: Value) -> None:
            before.setdefault(piece, known.get(piece))
            known[piece] = value

        def current(piece: _Piece) -> Value:
            if piece not in known:
                learn(piece, self._value("const", [], Interval(0, 0)))
                kept.append(known[piece])
            return known[piece]

        for piece, param in self._params.get(block, ()):
            learn(piece, param)
        kept: list[Value] = []
        for value in block.values:
            if value in self._loads:
                self._new[value] = current(self._loads[value])
            elif value in self._stores:
                pieces = self._stores[value]
                kept += [value] if _span(value) != pieces[0].span else []
                for piece in pieces:
                    learn(piece, self._stored(value, piece, kept))
            else:
                kept.append(value)
        for target, args in edges(block.terminator):
            args += [current(piece) for piece, _ in self._params.get(target, ())]
        block.values = kept
        return before

    def _stored(self, store: Value, piece: _Piece, kept: list[Value]) -> Value:
        """The piece behind a store."""
        what, bits = store.args[1], piece.bits
        if what.op == "const":
            word = what.imm >> 8 * (piece.span[0] - store.imm) & mask(bits)
            kept.append(self._value("const", [], Interval(word, word), word))
            return kept[-1]
        if bits == 64 or (isinstance(what.type, Word) and what.type.range.within(of_bits(bits, False))):
            return what
        made = self._value(f"zext{bits}", [what], of_bits(bits, signed=False))
        made.span = store.span
        kept.append(made)
        return made

    def _make_params(self, above: Mapping[Block, Block | None]) -> None:
        """Parameters of the blocks where different stores of a piece meet and it is still read."""
        before = predecessors(above)
        frontier = _frontiers(before, above)
        for piece, first in self._first.items():
            live = _live(before, first)
            waiting = list(self._stored_in[piece])
            found: dict[Block, None] = {}
            while waiting:
                for block in frontier[waiting.pop()]:
                    if block not in found and block in live:
                        found[block] = None
                        waiting.append(block)
            for block in found:
                param = self._value("param", [], of_bits(piece.bits, signed=False))
                block.params.append(param)
                self._params.setdefault(block, []).append((piece, param))


def _restore(known: dict[_Piece, Value], before: Mapping[_Piece, Value | None]) -> None:
    for piece, value in before.items():
        if value is None:
            del known[piece]
        else:
            known[piece] = value


def _live(before: Mapping[Block, list[Block]], first: Mapping[Block, bool]) -> set[Block]:
    """The blocks at whose start a piece is read before it is stored. first: whether a block loads it first; blocks that
    do nothing with it are not there."""
    waiting = [block for block, loads in first.items() if loads]
    live: set[Block] = set(waiting)
    while waiting:
        for block in before[waiting.pop()]:
            if block not in live and block not in first:
                live.add(block)
                waiting.append(block)
    return live


def _covers(a: Span, b: Span) -> bool:
    return a[0] <= b[0] and b[1] <= a[1]


def _frontiers(
    before: Mapping[Block, list[Block]], above: Mapping[Block, Block | None]
) -> dict[Block, dict[Block, None]]:  # fmt: skip
    """For each block those where its ways meet others. before: predecessors."""
    found: dict[Block, dict[Block, None]] = {block: {} for block in above}
    for block, parents in before.items():
        if len(parents) < 2:
            continue
        for parent in parents:
            runner: Block | None = parent
            while runner is not None and runner is not above[block]:
                found[runner][block] = None
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
