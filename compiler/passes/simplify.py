"""simplify: the rewrite rules, to a fixed point."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.compiler.ir.function import Function, latest, substitute
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value, Word
from bpfvm.compiler.passes.rules import RULES, Rule
from bpfvm.lang.types.interval import Interval

Fired = Callable[[str, Value], None]


_BY_OP: Mapping[str, list[Rule]] = {
    op: [rule for rule in RULES if not rule.ops or op in rule.ops] for op, row in IR_OPS.items() if row.pure
}


def unheard(rule: str, value: Value) -> None:
    """Takes the news of a rule that fired, for who does not want them."""


def simplify(function: Function, fired: Fired = unheard) -> bool:
    """Apply RULES until none fits. True when anything changed.

    Needs: SSA.  Keeps: SSA, block structure.  Leaves dead values for dce.
    """
    changed = False
    while _once(function, fired):
        changed = True
    return changed


def _once(function: Function, fired: Fired) -> bool:
    new: dict[Value, Value] = {}
    changed = False
    for block in function.blocks:
        for value in block.values:
            value.args = [latest(new, arg) for arg in value.args]
            for rule in _BY_OP.get(value.op, ()):
                result = rule.apply(value)
                if result is None or result is value:
                    continue
                changed = True
                fired(rule.text, value)
                if isinstance(result, int):
                    become_constant(value, result)
                else:
                    new[value] = result
                break
    if new:
        substitute(function, {old: latest(new, old) for old in new})
    return changed


def become_constant(value: Value, word: int) -> None:
    """Make an operation the constant that it computes."""
    kind = value.type
    fits = isinstance(kind, Word) and word in kind.range
    value.op, value.args, value.imm = "const", [], word
    if not fits:  # a negative number, whose word is not the number itself
        value.type = Word(Interval(word, word))
