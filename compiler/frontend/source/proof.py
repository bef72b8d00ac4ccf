"""A function's syntax tree, found in its file and proved to be what runs.

The whole file is parsed and the function's node picked by name, first line and columns. Then the whole text is
compiled again: one of the code objects that come of it must equal the function's own, or the text is not what runs.
Bytecode is compared here and read nowhere.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
import re
import sys
import textwrap
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.compiler.frontend.source.span import Source
from bpfvm.core.articles import an
from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.span import Span
from bpfvm.lang.functions.given import given, typed

_FUTURES = functools.reduce(lambda mask, name: mask | getattr(__future__, name).compiler_flag,
                            __future__.all_feature_names, 0)  # fmt: skip
_KEPT_TEXTS = 64
_LINE_END = re.compile(r"\r\n|\r|\n")  # what the tokenizer takes for one: not form feeds, not U+2028
LAMBDA = "<lambda>"
_Head = tuple[str, int]  # a code object's name and first line
EXECUTED = "<string>"  # the file of every text given to exec and, from Python 3.13 with its text kept, of -c

_GIVE_TEXT = (
    "give bpfvm the text: bpf.exec('''def f(ctx): ...''', globals())\nor, for a function that is there: "
    "bpf(f, source='''def f(ctx): ...''')"
)


@dataclass(frozen=True, slots=True)
class Located:
    """A function's node and the file that it stands in."""

    node: ast.FunctionDef | ast.Lambda
    source: Source

    @property
    def head(self) -> Span:
        """`def name`, or all of a lambda."""
        return self.source.span(self.node) if isinstance(self.node, ast.Lambda) else self.source.keyword(self.node)


@dataclass(frozen=True, slots=True)
class _Text:
    """One version of one file: the nodes of its functions and every code object that it compiles to, by name and first
    line."""

    source: Source
    nodes: Mapping[_Head, list[ast.AST]]
    codes: Mapping[_Head, list[types.CodeType]]


def locate(function: Any) -> Located:
    """The syntax tree of `function`.

    Raises CompileError: E001 the text is another version, E002 there is no text, E003 two functions in one place,
    E062 a coroutine or generator.
    """
    plain = _plain_function(function)
    code = plain.__code__
    for lines in _versions(plain):
        text = _parsed(code.co_filename, "".join(lines), code.co_flags & _FUTURES)
        found = _match(text, code) if text is not None else None
        if found is not None and text is not None:
            return Located(_plain_node(found, text.source), text.source)
    own = given(plain)
    found_text = _given(code, [own] if own is not None else typed(code))
    if found_text is not None:
        return found_text
    kept = code.co_filename != EXECUTED and linecache.getlines(code.co_filename, plain.__globals__)
    raise _stale(plain) if kept or own is not None else _no_source(plain)


def _given(code: types.CodeType, texts: Iterable[str]) -> Located | None:
    """The node in a text of the function alone, moved to the lines where the function says that it stands."""
    for one in texts:
        text = textwrap.dedent(one)
        try:
            nodes = [node for node in ast.walk(ast.parse(text)) if _is_named(node, code.co_name)]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for line in dict.fromkeys(_first_of(node) for node in nodes):
            whole = "\n" * max(0, code.co_firstlineno - line) + text
            parsed = _parsed(code.co_filename, whole, code.co_flags & _FUTURES)
            found = _match(parsed, code, whole=False) if parsed is not None else None
            if found is not None and parsed is not None:
                return Located(_plain_node(found, parsed.source), parsed.source)
    return None


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Lambda) if name == LAMBDA else isinstance(node, ast.FunctionDef) and node.name == name


def _first_of(node: ast.AST) -> int:
    """The line of a function's first decorator, or its own."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
    return min(one.lineno for one in (node, *decorators) if isinstance(one, ast.expr | ast.stmt))


def _plain_function(function: Any) -> types.FunctionType:
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(function, types.FunctionType):
        raise _error(
            "E002",
            f"`{name}` is {an(type(function).__name__)}, not a function written in Python",
            help="give bpfvm a function: def or lambda",
        )
    return function


def _versions(function: types.FunctionType) -> Iterator[list[str]]:
    """The texts that may be the function's: as remembered since its import, then as the file is now."""
    name = function.__code__.co_filename
    remembered = linecache.getlines(name, function.__globals__)
    if remembered:
        yield remembered
    linecache.checkcache(name)
    now = linecache.getlines(name, function.__globals__)
    if now and now != remembered:
        yield now


_texts: dict[tuple[str, str, int], _Text | None] = {}


def _parsed(file: str, text: str, flags: int) -> _Text | None:
    """The file parsed and compiled, or None where it is no Python any more. Kept by file, text and future flags."""
    key = (file, text, flags)
    if key not in _texts:
        if len(_texts) >= _KEPT_TEXTS:
            del _texts[next(iter(_texts))]
        _texts[key] = _parse(file, text, flags)
    return _texts[key]


def _parse(file: str, text: str, flags: int) -> _Text | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the interpreter gave them when it first compiled the file
            tree = ast.parse(text, file)
            top = compile(text, file, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes: dict[_Head, list[ast.AST]] = {}
    for node in ast.walk(tree):
        name = _name_of(node)
        if name is not None:
            nodes.setdefault((name, _first_of(node)), []).append(node)
    codes: dict[_Head, list[types.CodeType]] = {}
    for code in _codes(top):
        codes.setdefault(_head_of(code), []).append(code)
    return _Text(Source(file, tuple(_LINE_END.split(text))), nodes, codes)


def _name_of(node: ast.AST) -> str | None:
    """A function's name, as its code has it; None for other nodes."""
    if isinstance(node, ast.Lambda):
        return LAMBDA
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _head_of(code: types.CodeType) -> _Head:
    return code.co_name, code.co_firstlineno


def _codes(top: types.CodeType) -> Iterator[types.CodeType]:
    stack = [top]
    while stack:
        code = stack.pop()
        yield code
        stack += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]


def _match(text: _Text, code: types.CodeType, whole: bool = True) -> ast.AST | None:
    """The node of `code` in this text, or None where the text is not what runs. whole: the text is all of its file;
    else its columns may be others."""
    candidates, codes = text.nodes.get(_head_of(code), []), text.codes.get(_head_of(code), [])
    if len(candidates) > 1:
        candidates = _by_columns(candidates, code)
    proved = any(code == one for one in codes) or _rewritten(code, codes)
    if not whole:
        proved = proved or any(_behaviour(code) == _behaviour(one) for one in codes)
    if proved and not candidates:
        raise _no_function(code)
    if not candidates or not proved:
        return None
    if _differ(candidates):
        candidates = [node for node in candidates if _compiles_to(node, code)] or candidates
    if _differ(candidates):
        raise _error(
            "E003",
            f"{len(candidates)} functions on this line cannot be told apart",
            text.source.span(candidates[0]),
            why="their code has no columns to tell them by, and they differ",
            help="put each lambda on a line of its own",
        )
    return candidates[0]


def _by_columns(candidates: list[ast.AST], code: types.CodeType) -> list[ast.AST]:
    """The innermost of the nodes whose body holds every instruction's place."""
    places = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    holding = [node for node in candidates if all(_holds(node, place) for place in places)]
    if not any(None not in place for place in places):
        return holding
    return [node for node in holding if not any(other is not node and other in ast.walk(node) for other in holding)]


def _differ(candidates: list[ast.AST]) -> bool:
    return len(candidates) > 1 and len({ast.dump(node) for node in candidates}) > 1


def _compiles_to(node: ast.AST, code: types.CodeType) -> bool:
    """Whether a lambda compiled by itself does the same: for code without columns (3.12 gives constants none)."""
    if not isinstance(node, ast.Lambda):
        return False
    alone = compile(ast.Expression(node), code.co_filename, "eval", dont_inherit=True).co_consts[0]
    return bool(_behaviour(alone) == _behaviour(code))


def _behaviour(code: types.CodeType) -> tuple[object, ...]:
    constants = tuple(
        _behaviour(one) if isinstance(one, types.CodeType) else (type(one), one) for one in code.co_consts
    )
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _holds(node: ast.AST, place: tuple[int | None, int | None, int | None, int | None]) -> bool:
    body: Any = node.body if isinstance(node, ast.Lambda) else node
    line, end_line, col, end_col = place
    start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return bool(start <= (line, col) and (end_line, end_col) <= end)


def _rewritten(code: types.CodeType, codes: Iterable[types.CodeType]) -> bool:
    """Whether pytest rewrote an assertion of this function: it is among `codes`, those of its name and line, and has
    code of pytest's."""
    rewriters = any(type(finder).__name__ == "AssertionRewritingHook" for finder in sys.meta_path)
    names = (name for one in _codes(code) for name in (*one.co_names, *one.co_varnames))
    if not rewriters or not any(name.startswith(("@py_", "@pytest_")) for name in names):
        return False
    return any(one.co_argcount == code.co_argcount for one in codes)


def _plain_node(node: ast.AST, source: Source) -> ast.FunctionDef | ast.Lambda:
    if isinstance(node, ast.AsyncFunctionDef):
        span = source.keyword(node)
        raise _error(
            "E062",
            "`async def` is not available in BPF programs",
            span,
            why="a BPF program runs to its end and never waits",
            help="write a plain `def`",
        )
    assert isinstance(node, ast.FunctionDef | ast.Lambda), "candidates are functions"
    return node


def _first_line(function: types.FunctionType) -> Span:
    """The line on which the code starts, with its text where there is one."""
    code = function.__code__
    text = linecache.getline(code.co_filename, code.co_firstlineno, function.__globals__).rstrip("\n")
    indent = len(text) - len(text.lstrip())
    return Span(code.co_filename, code.co_firstlineno, indent, code.co_firstlineno, len(text), text)


def _no_function(code: types.CodeType) -> CompileError:
    """Of code that the interpreter makes for its own use, of a comprehension or of type parameters."""
    text = linecache.getline(code.co_filename, code.co_firstlineno).rstrip("\n")
    indent = len(text) - len(text.lstrip())
    return _error(
        "E062",
        f"`{code.co_name}` is no function that somebody wrote",
        Span(code.co_filename, code.co_firstlineno, indent, code.co_firstlineno, len(text), text),
        why="the interpreter made this code of a comprehension, a generator or type parameters inside of a function",
        help="compile the function around it",
    )


def _stale(function: types.FunctionType) -> CompileError:
    name = function.__name__
    return _error(
        "E001",
        f"the text of `{name}` on disk is not the code that is running",
        _first_line(function),
        why="the file has changed since it was imported, or an import hook rewrote its code",
        help=f"restart the process, or {_GIVE_TEXT}\nwhere a hook rewrites code, keep the function out of its reach",
    )


def _no_source(function: types.FunctionType) -> CompileError:
    version = ".".join(map(str, sys.version_info[:2]))
    file = function.__code__.co_filename
    return _error(
        "E002",
        f'no source text for {function.__name__} (file "{file}", Python {version})',
        why="the compiler reads a function's text, and this interpreter kept none for it (text given to exec, "
        "a prompt before Python 3.13, a .pyc without its .py)",
        help=f"put the function into a file, or {_GIVE_TEXT}",
    )


def _error(code: str, message: str, span: Span | None = None, why: str = "", help: str = "") -> CompileError:
    return CompileError([Diag(code, message, span, why=why, help=help)])
