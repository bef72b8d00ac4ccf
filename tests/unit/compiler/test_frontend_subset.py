"""The subset is closed: every class of syntax is compiled, or refused by its own name."""

from __future__ import annotations

import ast
import warnings

import pytest

from bpfvm.compiler import compile_program
from bpfvm.compiler.frontend.control.match import PATTERNS
from bpfvm.compiler.frontend.expr import EXPRESSIONS
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.source.subset import REFUSED
from bpfvm.compiler.frontend.stmt import STATEMENTS
from bpfvm.core.diag import CompileError, Diag
from bpfvm.lang.types.operators import BINARY_BY_NODE, UNARY_BY_NODE
from tests.unit.compiler.generated import SCALARS, forget, function_of

NEWER = {"TypeAlias", "TemplateStr", "Interpolation"}  # classes of Pythons after 3.11, whichever runs this

# One body for each refused class; None where it stands only inside another, or needs a newer Python than 3.11.
BODIES: dict[str, str | None] = {
    "MatchMapping": "match a:\n        case {}: pass",
    "Try": "try: pass\n    except ValueError: pass",
    "TryStar": "try: pass\n    except* ValueError: pass",
    "AsyncFunctionDef": "async def g(): pass",
    "AsyncFor": None,
    "AsyncWith": None,
    "Await": None,
    "ClassDef": "class G: pass",
    "Import": "import socket",
    "ImportFrom": "from socket import socket",
    "TypeAlias": None,
    "Yield": "b = yield a",
    "YieldFrom": "b = yield from a",
    "List": "b = [a]",
    "Set": "b = {a}",
    "Dict": "b = {a: a}",
    "ListComp": "b = [a for i in a]",
    "SetComp": "b = {a for i in a}",
    "DictComp": "b = {a: a for i in a}",
    "GeneratorExp": "b = (a for i in a)",
    "JoinedStr": "b = f'{a}'",
    "FormattedValue": None,
    "TemplateStr": None,
    "Interpolation": None,
    "Starred": None,
}


def errors(body: str) -> tuple[Diag, ...]:
    """The errors of a function with this body."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        function = function_of(f"def f(a: u32) -> u32:\n    {body}\n    return 0\n")
    try:
        compile_program(function, SCALARS)
    except CompileError as error:
        return error.diags
    finally:
        forget(function)
    return ()


def test_every_class_is_compiled_or_refused() -> None:
    compiled = {cls.__name__ for cls in (*STATEMENTS, *EXPRESSIONS, *PATTERNS)}
    bases = (ast.stmt, ast.expr, ast.pattern)
    known = {cls.__name__ for base in bases for cls in base.__subclasses__()} - {"Novelty"}
    for name in sorted(known | NEWER):
        assert (name in compiled) != (name in REFUSED), f"{name} is on no side or on both"
    assert set(REFUSED) <= known | NEWER
    assert len(known) >= 54


def test_every_operator_is_known() -> None:
    assert {cls.__name__ for cls in ast.operator.__subclasses__()} == {*BINARY_BY_NODE, "Div", "Pow", "MatMult"}
    assert {cls.__name__ for cls in ast.unaryop.__subclasses__()} == {*UNARY_BY_NODE, "Not"}
    others = {ast.Is, ast.IsNot, ast.In, ast.NotIn}
    assert set(ast.cmpop.__subclasses__()) == {*COMPARISONS, *others}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_by_name(name: str) -> None:
    body = BODIES[name]
    if body is None:
        return
    row = REFUSED[name]
    found = errors(body)
    assert [diag.code for diag in found if row.what in diag.message] == [row.code], found
    assert all(diag.help for diag in found)


def test_bodies_are_complete() -> None:
    assert set(BODIES) == set(REFUSED)
    shown = sum(body is not None for body in BODIES.values())
    print(f"{shown} of {len(REFUSED)} refused classes shown by a body")
    assert shown >= 17


def test_a_class_of_a_newer_python() -> None:
    """A node that no table knows is refused by the name of its class."""
    from bpfvm.compiler.frontend import expr
    from bpfvm.compiler.frontend.source import subset

    class Novelty(ast.expr):
        """Syntax of a Python to come."""

    class Listener:
        said: tuple[str, str] = ("", "")

        def error(self, code: str, message: str, place: object, *, why: str, help: str) -> None:
            self.said = (code, message)

        def head(self, node: ast.AST) -> ast.AST:
            return node

    listener = Listener()
    subset.refuse(listener, Novelty())  # type: ignore[arg-type]
    assert listener.said == ("E062", "the syntax Novelty is not available in BPF programs")
    assert Novelty not in expr.EXPRESSIONS


def test_errors_come_in_source_order() -> None:
    found = errors("x = a / 2; y = nowhere\n    z = [1]; w = a + None\n    return u64(a) + s64(a)")
    places = [(diag.span.line, diag.span.col) for diag in found if diag.span is not None]
    assert [diag.code for diag in found] == ["E042", "E010", "E062", "E022", "E041"]
    assert places == sorted(places)


def test_followers_of_an_error_are_silent() -> None:
    assert [diag.code for diag in errors("x = nowhere\n    y = x + 1\n    z = y // x\n    return u32(z)")] == ["E010"]


def test_arms_that_cannot_be_reached_are_not_typed() -> None:
    assert errors("if False:\n        nowhere()\n    elif 0 and nowhere:\n        pass") == ()
    assert errors("return 1\n    nowhere()") == ()
