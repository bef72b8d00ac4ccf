"""What was found of the loops inside of a loop, for their search to begin there when its body is translated once more.

What a loop's names are guessed to be only grows from one translation of its body to the next. Names before an inner
loop are what they were then, or more, and so they are at its head: its search begins by what was found there, and
mostly ends at once. A loop around other ones then adds translations of them, and does not double them. What it begins
by is a guess as any other, which the translation has to confirm.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.compiler.frontend.binding import Binding
from bpfvm.compiler.frontend.state import Guess
from bpfvm.compiler.frontend.types import Number

Guesses = Mapping[str, Guess]
Key = tuple[ast.AST, int]  # a loop's node, and how many copies of it were translated before in the same body


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one loop: what names were before it, what they were guessed to be at its head in the end, how many turns it
    made at most, whether its body moved the packet, and what was found of the loops inside."""

    before: Mapping[str, Binding]
    guess: Guesses
    turns: int
    moves: bool
    inside: Inside

    def holds(self, before: Mapping[str, Binding], turns: int) -> bool:
        """Whether names are now what they were then, or more."""
        return (
            turns >= self.turns
            and before.keys() == self.before.keys()
            and all(_covers(one, self.before[name]) for name, one in before.items())
        )


Inside = Mapping[Key, Learned]


@dataclass(slots=True)
class Level:
    """The loops inside of one body that is being translated. earlier: what the translation before found of them; found:
    what this one does."""

    earlier: Inside = field(default_factory=dict)
    found: dict[Key, Learned] = field(default_factory=dict)
    _copies: Counter[ast.AST] = field(default_factory=Counter)

    def next(self, node: ast.AST) -> Key:
        """The key of a loop that is met now."""
        self._copies[node] += 1
        return node, self._copies[node]


def _covers(now: Binding, then: Binding) -> bool:
    if isinstance(now, Number) and isinstance(then, Number):
        return now.kinds >= then.kinds and then.range.within(now.range)
    return not isinstance(now, Number)
