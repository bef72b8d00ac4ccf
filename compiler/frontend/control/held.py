"""What the program has taken and must give back on every way out: sections of `with`, records, references.

`take` notes it in the state; `drop` is for what gave it back. A fault gives all of it back before the program ends.
What a `with` has taken is given back by `return`, `break` and `continue` that leave it; of anything else, a way that
ends the program with it, or meets others that have not, is E035.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.core.span import Span

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.functions.frame import Frame
    from bpfvm.compiler.frontend.state import State
    from bpfvm.compiler.frontend.translation import Translation


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One thing. name: of it, and place: where it was taken, for messages. release: makes the code that gives it back,
    at the builder's place; it may make blocks. frame, loops: the function that took it, and how many loops were around
    it there. scoped: by a `with`. help: what gives it back. kind: a word for what cannot be held twice.
    """

    name: str
    place: Span
    release: Callable[[Translation], None]
    frame: Frame
    loops: int
    scoped: bool
    help: str
    kind: str


def take(
    f: Translation, name: str, node: ast.AST, release: Callable[[Translation], None], *, scoped: bool = False,
    help: str = "", kind: str = "",
) -> Held:  # fmt: skip
    """From here on the program holds it."""
    one = Held(name, f.span(node), release, f.frame, len(f.loops), scoped, help, kind)
    f.state.held = (*f.state.held, one)
    return one


def drop(f: Translation, one: Held) -> None:
    """It was given back here, or it turned out that there is none."""
    f.state.held = tuple(other for other in f.state.held if other is not one)


def of_kind(f: Translation, kind: str) -> Held | None:
    """What is held of a kind, if anything."""
    return next((one for one in f.state.held if one.kind == kind), None)


def is_held(f: Translation, one: Held) -> bool:
    """Whether it is held on this way."""
    return one in f.state.held


def give_back(f: Translation, one: Held) -> None:
    """Give it back here."""
    drop(f, one)
    one.release(f)


def end_of_program(f: Translation) -> None:
    """Give everything back, in a block that ends the program by a fault."""
    for one in reversed(f.state.held):
        give_back(f, one)


def leave_function(f: Translation, node: ast.AST | Span) -> None:
    """`return`, or the end of a body: what its `with` statements hold is given back, and nothing else may be held where
    that ends the program."""
    _give_back(f, lambda one: one.frame is f.frame)
    if f.frame.call is None:
        for one in f.state.held:
            _leaked(f, one, f"is still held where `{f.frame.function.__name__}` ends")
        f.state.held = ()


def leave_turn(f: Translation) -> None:
    """`break` and `continue`: what `with` statements inside of the loop hold is given back."""
    _give_back(f, lambda one: one.frame is f.frame and one.loops >= len(f.loops))


def meet(f: Translation, states: Sequence[State]) -> tuple[Held, ...]:
    """What is held where ways meet: the same on all of them. E035 for what is held on some."""
    first = states[0].held
    for state in states[1:]:
        if state.held != first:
            every = dict.fromkeys(one for other in states for one in other.held)
            for one in every:
                if not all(one in other.held for other in states):
                    _leaked(f, one, "is held on some of the ways that meet behind it, and not on others")
            return tuple(one for one in first if all(one in other.held for other in states))
    return first


def left(f: Translation, one: Held, how: str, node: ast.AST) -> None:
    """E035 for what is held where nobody will give it back."""
    f.error(
        "E035",
        f"{one.name} {how}",
        node,
        why="the kernel's verifier wants it to be given back before",
        help=one.help or "give it back before",
    )


def turned(f: Translation, before: State) -> None:
    """A loop goes back to its head, where `before` was held."""
    for one in f.state.held:
        if one not in before.held:
            _leaked(f, one, "is still held when the loop goes on")
    for one in before.held:
        if one not in f.state.held:
            _leaked(f, one, "is given back inside of a loop, which may come there again")


def _give_back(f: Translation, inside: Callable[[Held], bool]) -> None:
    for one in reversed(f.state.held):
        if one.scoped and inside(one):
            give_back(f, one)


def _leaked(f: Translation, one: Held, how: str) -> None:
    f.error(
        "E035",
        f"{one.name} {how}",
        one.place,
        why="the kernel's verifier wants it to be given back on every way",
        help=one.help or "give it back on every way",
    )
