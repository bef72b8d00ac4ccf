"""The functions around the point that is translated: the program, and those written out in place of their calls."""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass, field, replace

from bpfvm.compiler.frontend.names.scope import Scope
from bpfvm.compiler.frontend.source.span import Source
from bpfvm.compiler.frontend.state import End, State
from bpfvm.compiler.frontend.types import Value
from bpfvm.core.span import Span
from bpfvm.lang.functions.signature import Scalar

_OUTER = "\0"  # before the names of callers, once for each call between: no name of Python's has it


@dataclass(slots=True, eq=False)
class Frame:
    """One function. returns: how its result is declared, for programs of scalars. call: where it is called.

    leaving: of a function that is called, the ends of its `return` statements with their values.
    inner: names of the generator expressions around this point, with the names that the state knows them by.
    closure: of a function written inside of another one, its text; `function` is then that of `around`. rebound: names
    of the state that functions inside of this one may bind.
    """

    function: types.FunctionType
    source: Source
    scope: Scope
    call: Span | None = None
    returns: Scalar | None = None
    declared_global: dict[str, ast.stmt] = field(default_factory=dict)
    leaving: list[tuple[End, Value]] = field(default_factory=list)
    inner: dict[str, str] = field(default_factory=dict)
    closure: ast.AST | None = None
    around: Frame | None = None
    rebound: dict[str, None] = field(default_factory=dict)

    def own(self, name: str) -> str:
        """The name under which the state knows `name` here."""
        return self.inner.get(name, name)


def entered(state: State) -> State:
    """`state` in a function that is called: none of its names has a value. What is known of memory and maps stays."""
    return replace(state, names={_OUTER + name: one for name, one in state.names.items()})


def left(state: State) -> State:
    """`state` back in the caller: its names are there again, those of the function are not."""
    return replace(state, names={name[1:]: one for name, one in state.names.items() if name.startswith(_OUTER)})
