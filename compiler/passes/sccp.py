"""sccp: constants that are known once the ways that are never taken are left out."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Block, Branch, Function, Goto, edges
from bpfvm.compiler.ir.ops import IR_OPS, holds
from bpfvm.compiler.ir.types import Ptr, Value, Word
from bpfvm.compiler.passes.simplify import Fired, become_constant, unheard
from bpfvm.core.bits import M64

_VARIES = -1  # no word: what a value is depends on the run


def sccp(function: Function, fired: Fired = unheard) -> bool:
    """Make values constants and decide branches. True when anything changed.

    Needs: SSA.  Keeps: SSA, blocks.  Leaves the ways that are never taken, and parameters that are one constant, for
    prune. A word is taken for constant only by what it is computed of, never by the range of its type: the kernel's
    verifier does not know that, and may need the test. The way of Wegman and Zadeck, "Constant Propagation with
    Conditional Branches" (1991).
    """
    words = _Solver(function).words
    changed = False
    for block in function.blocks:
        for value in block.values:
            word = words.get(value, _VARIES)
            if word != _VARIES and value.op != "const":
                fired("always the same on the ways that are taken => constant", value)
                become_constant(value, word)
                changed = True
        end = block.terminator
        if isinstance(end, Branch):
            taken = _decided(end, words)
            if taken is not None:
                block.terminator = taken
                changed = True
    return changed


def _decided(end: Branch, words: dict[Value, int]) -> Goto | None:
    a, b = words.get(end.a, _VARIES), words.get(end.b, _VARIES)
    if _VARIES in (a, b):
        return None
    way = (end.then, end.then_args) if holds(end.cond, a, b) else (end.other, end.other_args)
    return Goto(*way, span=end.span)


class _Solver:
    """words: of each value that is reached its constant word, or _VARIES. Values only go from unknown to word to
    _VARIES, so that the work is bounded by the uses of values."""

    def __init__(self, function: Function) -> None:
        self.words: dict[Value, int] = {}
        self._users: dict[Value, list[tuple[Block, Value | None]]] = {}  # None: the terminator
        self._reached: set[Block] = set()
        self._taken: set[tuple[Block, int]] = set()  # a block and which of its edges
        self._blocks = [function.blocks[0]]
        self._changed: list[Value] = []
        self._note_users(function)
        for param in function.blocks[0].params:
            self.words[param] = _VARIES
        while self._blocks or self._changed:
            if self._blocks:
                self._enter(self._blocks.pop())
                continue
            for block, user in self._users.get(self._changed.pop(), ()):
                if block in self._reached:
                    self._end(block) if user is None else self._value(user)

    def _note_users(self, function: Function) -> None:
        for block in function.blocks:
            for value in block.values:
                for arg in value.args:
                    self._users.setdefault(arg, []).append((block, value))
            end = block.terminator
            read = [arg for _, args in edges(end) for arg in args]
            read += [end.a, end.b] if isinstance(end, Branch) else []
            for arg in dict.fromkeys(read):
                self._users.setdefault(arg, []).append((block, None))

    def _enter(self, block: Block) -> None:
        if block in self._reached:
            return
        self._reached.add(block)
        for value in block.values:
            self._value(value)
        self._end(block)

    def _value(self, value: Value) -> None:
        self._learn(value, self._computed(value))

    def _computed(self, value: Value) -> int | None:
        """The word of an operation, _VARIES, or None where an operand is not reached yet."""
        if value.op == "const":
            return value.imm
        fold = IR_OPS[value.op].fold
        if fold is None or isinstance(value.type, Ptr):
            return _VARIES
        words = [self.words.get(arg) for arg in value.args]
        if _VARIES in words:
            return _VARIES
        known = [word for word in words if word is not None]
        return fold(*known) & M64 if len(known) == len(words) else None

    def _learn(self, value: Value, word: int | None) -> None:
        old = self.words.get(value)
        if word is None or old in (_VARIES, word):
            return
        self.words[value] = word if old is None else _VARIES
        self._changed.append(value)

    def _end(self, block: Block) -> None:
        end = block.terminator
        for place, (target, args) in enumerate(edges(end)):
            if isinstance(end, Branch) and not self._open(end, place):
                continue
            if (block, place) not in self._taken:
                self._taken.add((block, place))
                self._blocks.append(target)
            for param, arg in zip(target.params, args, strict=True):
                constant = isinstance(param.type, Word) and isinstance(arg.type, Word)
                self._learn(param, self.words.get(arg) if constant else _VARIES)

    def _open(self, end: Branch, place: int) -> bool:
        """Whether a way of a branch may be taken, as far as is known by now."""
        a, b = self.words.get(end.a), self.words.get(end.b)
        if a is None or b is None:
            return False
        return _VARIES in (a, b) or holds(end.cond, a, b) == (place == 0)
