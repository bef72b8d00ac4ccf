"""Functions written inside of a function, and lambdas: written out in place of their calls, with the names around them.

What such a function binds is its own, but for what it says to be `nonlocal`. Its own names stand in the state under
names that no text has, so that all others are those of the function around it.
"""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.functions.inlined import Arguments
from bpfvm.compiler.frontend.functions.written import written_out
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Inner, Value

Text = ast.FunctionDef | ast.Lambda


def define(f: Translation, node: ast.FunctionDef) -> None:
    """`def` inside of a function."""
    if node.decorator_list:
        f.error(
            "E062",
            f"`{node.name}` is decorated, and stands inside of a function",
            node.decorator_list[0],
            why="a decorator runs when Python comes to the `def`: a program cannot run it",
            help="define it outside of the function",
        )
    made_here = made(f, node)
    f.state.names[f.frame.own(node.name)] = made_here
    if isinstance(made_here, Inner):
        f.frame.rebound |= dict.fromkeys(map(f.frame.own, _nonlocal(node)))


def made(f: Translation, node: Text) -> Value:
    """The function, before it is called. BAD after an error."""
    given = node.args
    beside = [*given.kwonlyargs, given.vararg, given.kwarg, *given.defaults]
    wrong = next((one for one in beside if one is not None), None)
    if wrong is None:
        return Inner(node, f.frame)
    return f.error(
        "E062",
        "a function inside of a function takes parameters without defaults, by their places",
        wrong,
        help="name the value in its body instead: it sees the names around it",
    )


def is_around(f: Translation, name: str) -> bool:
    """Whether a name is one of the functions around that are part of the program."""
    return f.frame.closure is not None and (name in f.frame.inner or name in f.scope.local)


def _nonlocal(node: ast.AST) -> list[str]:
    return [name for one in ast.walk(node) if isinstance(one, ast.Nonlocal) for name in one.names]


def call(f: Translation, node: ast.Call, one: Inner, given: Arguments) -> Value:
    """The value of a call. BAD after an error."""
    values, named = given
    if any(isinstance(value, Bad) for value in (*values, *named.values())) or not _allowed(f, node, one):
        return BAD
    names = [arg.arg for arg in (*one.node.args.posonlyargs, *one.node.args.args)]
    if named or len(values) != len(names):
        name, got = f.quoted(node.func), len(values) + len(named)
        what = f"`{name}` takes {len(names)} arguments by their places, and got {got}"
        return f.error("E013", what, node, help=f"{name}({', '.join(names)})")
    return _written(f, node, one, dict(zip(names, values, strict=True)))


def _allowed(f: Translation, node: ast.Call, one: Inner) -> bool:
    name = f.quoted(node.func)
    if any(frame.closure is one.node for frame in f.frames):
        f.error("E061", f"`{name}` is called while it runs", node, help="write a loop",
                why="each call would need stack of its own: a BPF program has 512 bytes")  # fmt: skip
        return False
    if one.frame not in _around(f.frame):
        f.error(
            "E063",
            f"{one.described} is called outside of the function that it stands in, in this version",
            node,
            why="it would have names of that function",
            help="call it there, or define it outside of functions",
        )
        return False
    return True


def _around(frame: Frame | None) -> list[Frame]:
    """A frame, and those of the functions that it stands in."""
    found: list[Frame] = []
    while frame is not None:
        found.append(frame)
        frame = frame.around
    return found


def _written(f: Translation, node: ast.Call, one: Inner, bound: dict[str, Value]) -> Value:
    """The body in place of the call."""
    around, text = one.frame, one.node
    hidden = {name: f"{name} of line {text.lineno}, column {text.col_offset}" for name in _own(text)}
    frame = Frame(around.function, around.source, around.scope, f.span(node), inner={**around.inner, **hidden},
                  closure=text, around=around, rebound=around.rebound)  # fmt: skip
    before = f.end()
    for name, known in hidden.items():
        f.state.names.pop(known, None)
        if name in bound:
            f.state.names[known] = bound[name]
    return written_out(f, node, frame, text, before, lambda end: _forgot(end, hidden))


def _own(text: Text) -> list[str]:
    """Names that are the function's own: those that it binds, and does not say to be another's."""
    from bpfvm.compiler.frontend.control.turns import assigned

    names = [arg.arg for arg in (*text.args.posonlyargs, *text.args.args)]
    for part in text.body if isinstance(text, ast.FunctionDef) else [text.body]:
        names += assigned(part)
    others = {
        name
        for part in (text.body if isinstance(text, ast.FunctionDef) else [])
        for one in ast.walk(part)
        if isinstance(one, ast.Nonlocal | ast.Global)
        for name in one.names
    }
    return [name for name in dict.fromkeys(names) if name not in others]


def _forgot(end: End, hidden: dict[str, str]) -> End:
    for known in hidden.values():
        end.state.names.pop(known, None)
    return end
