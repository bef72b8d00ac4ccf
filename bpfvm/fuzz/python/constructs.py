"""What a text is made of, counted: one row a construct, most of them from the compiler's own tables.

A handler, an operator, a type or a builtin that the compiler learns is a row at once, and the fuzz test asks that
generated programs have it.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from bpfvm.compiler.frontend.calls import BUILTINS
from bpfvm.compiler.frontend.control.iterate import MAKERS
from bpfvm.compiler.frontend.control.match import PATTERNS
from bpfvm.compiler.frontend.control.reduce import REDUCERS
from bpfvm.compiler.frontend.expr import EXPRESSIONS
from bpfvm.compiler.frontend.numbers.bits import METHODS
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.stmt import STATEMENTS
from bpfvm.lang.packets.headers import HEADERS
from bpfvm.lang.types.operators import BINARY, UNARY
from bpfvm.lang.types.scalars import SCALARS, Storage

Test = Callable[[ast.AST], bool]

_MAKERS = tuple(name for name, one in vars(builtins).items() if id(one) in MAKERS or id(one) in REDUCERS)
NUMBERS = ("log2", "rol", "ror", "hton", "ntoh", *(f"{name}{bits}" for name in ("bswap", "hton", "ntoh")
                                                    for bits in (16, 32, 64)))  # fmt: skip
_PLACED = ("func", "global_func", "inline")  # decorators of functions that are called
_BUILTINS = tuple(one.__name__ for one, _ in BUILTINS)
# `int` and `bool` annotate, too; `global` alone says nothing and its assignments are refused
_ANNOTATIONS = (*(one.__name__ for one in SCALARS), "bool", "int")
UNMADE: Mapping[str, str] = {
    "Global": "it changes nothing by itself, and assignments to a global are refused",
    "Nonlocal": "it stands in functions inside of functions: tests/programs/callbacks.py",
    "Delete": "it deletes elements of hash maps: programs with maps, tests/programs and benchmarks/corpus",
    "With": "a section computes nothing",
    "call of float": "it is refused by its own message",
    "call of complex": "it is refused by its own message",
}  # rows that no generated program has, with the reason


def count(text: str) -> Counter[str]:
    """How often each construct stands in a module's text."""
    counts: Counter[str] = Counter()
    for node in ast.walk(ast.parse(text)):
        counts.update(_of(node))
    return counts


def _of(node: ast.AST) -> Iterator[str]:
    """The rows that one node counts for."""
    yield from _CLASSES.get(type(node), ())
    match node:
        case ast.BinOp() | ast.UnaryOp() | ast.BoolOp():
            yield f"{type(node.op).__name__} operator"
        case ast.AugAssign():
            where = "of an element" if isinstance(node.target, ast.Subscript) else "of a name"
            yield f"{type(node.op).__name__} augmented {where}"
        case ast.Compare():
            yield from (f"{type(op).__name__} operator" for op in node.ops)
            if len(node.ops) > 1:
                yield "chained comparison"
        case ast.Call():
            yield from _call(node)
        case ast.FunctionDef():
            yield from _function(node)
        case ast.ClassDef() if node.decorator_list:
            yield "struct"
        case ast.If() | ast.For() | ast.While() if node.orelse:
            yield f"{type(node).__name__} with else"
        case ast.match_case() if node.guard is not None:
            yield "guard"
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="pkt"), attr=header)):
            yield f"field pkt.{header}.{node.attr}"


def _call(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f"call of {node.func.attr}"
        return
    name = node.func.id if isinstance(node.func, ast.Name) else "a method"
    known = name in _KNOWN_CALLS
    yield f"call of {name}" if known else "call of a method" if name == "a method" else "call of a function"
    if not known and node.keywords:
        yield "argument by name"


def _function(node: ast.FunctionDef) -> Iterator[str]:
    if not node.decorator_list:
        return
    yield from (f"@{one.attr}" for one in node.decorator_list if isinstance(one, ast.Attribute))
    for arg in node.args.args:
        if isinstance(arg.annotation, ast.Name):
            yield f"parameter of {arg.annotation.id}"
    if isinstance(node.returns, ast.Name) and node.args.args and node.args.args[0].annotation is not None:
        yield f"result of {node.returns.id}"
    if any(isinstance(one, ast.Name) and one.id == "k" for one in ast.walk(node)):
        yield "closure"


_KNOWN_CALLS = frozenset((*_BUILTINS, *_MAKERS, *_ANNOTATIONS, *NUMBERS, "copy"))

_CLASSES: Mapping[type[ast.AST], tuple[str, ...]] = {
    one: (one.__name__,) for table in (STATEMENTS, EXPRESSIONS, PATTERNS) for one in table if one is not ast.UnaryOp
}

FIXED = ("eth", "ip")  # headers behind `pkt` whose fields are generated

CONSTRUCTS: tuple[str, ...] = tuple(dict.fromkeys((
    *(name for names in _CLASSES.values() for name in names),
    *(f"{row.node} operator" for row in BINARY), "Pow operator",
    *(f"{row.node} augmented of a name" for row in BINARY),
    *(f"{row.node} augmented of an element" for row in BINARY),
    *(f"{row.node} operator" for row in UNARY), "Not operator", "And operator", "Or operator",
    *(f"{one.__name__} operator" for one in COMPARISONS), "Is operator", "IsNot operator", "In operator",
    "NotIn operator", "chained comparison",
    *(f"call of {name}" for name in (*_BUILTINS, *_MAKERS, *(one.__name__ for one in SCALARS))),
    *(f"call of {name}" for name in (*NUMBERS, "copy", "bit_length", "bit_count")), *(f"@{name}" for name in _PLACED),
    "@function", "@xdp", "struct",
    "call of a function", "call of a method", "argument by name", "closure", "guard",
    "If with else", "For with else", "While with else",
    *(f"parameter of {name}" for name in _ANNOTATIONS), *(f"result of {name}" for name in _ANNOTATIONS),
    *(f"field pkt.{name}.{field.name}" for name in FIXED for field in HEADERS[name].members
      if isinstance(field.type, Storage)),
)))  # fmt: skip
