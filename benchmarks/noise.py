"""How noisy rule R2 is: casts that it asks for, and E040 on plain Python, per 100 lines of source.

Three corpora. The functions that tests compile (tests/programs, examples) and whole programs (benchmarks/corpus/python,
examples) compile as they stand: each of their casts is taken out alone, and counts where the function is refused
without it; of whole programs also where a store or a key is told to cut (W115, E021). benchmarks/_plain.py is written
without casts: each refusal counts. A refusal is no noise where some input makes the value too large indeed, which would
have been a fault of the program. Lines are those with code; goal: at most one per 100 lines.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import linecache
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

from bpfvm.compiler.frontend.translate import translate
from bpfvm.core.diag import CompileError, Diag
from bpfvm.fuzz.python.witness import witness
from bpfvm.lang import hooks
from bpfvm.lang.functions.callee import callee
from bpfvm.lang.hooks import Hook
from bpfvm.lang.types.scalars import SCALARS
from bpfvm.program import Program
from tests.shipped_examples import NEEDED

ROOT = Path(__file__).resolve().parents[1]
PLAIN = Path(__file__).with_name("_plain.py")
PROGRAMS = ["benchmarks/corpus/python", "examples"]
GOAL = 1.0  # in 100 lines
R2 = ("E040", "E046")  # the codes of the rule: an exact value that may not fit, and one that fits on some paths
CUTS = (*R2, "E021", "W115")  # and of places that are narrower than what goes there
NUMBERS = {"int", "bool", *(one.__name__ for one in SCALARS)}
CASTS = frozenset(one.__name__ for one in SCALARS)
_NUMBERS = itertools.count()


@dataclass(slots=True)
class Noise:
    """What was found in one file. wanted, places: casts that R2 asks for and refusals by R2, by place; right: those of
    them that an input shows to be right; besides: other codes."""

    lines: int = 0
    functions: int = 0
    casts: int = 0
    wanted: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    besides: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Noise) -> Noise:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self


def files(folders: Sequence[str]) -> list[Path]:
    """The sources there."""
    return [path for folder in folders for path in sorted((ROOT / folder).glob("*.py"))]


def load(path: Path, text: str) -> ModuleType:
    """The module that `text` makes in the place of a file."""
    name = f"<noise {next(_NUMBERS)} {path.name}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    spec = importlib.util.spec_from_file_location(f"noise_{path.stem}", path)
    assert spec is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    with patch.object(sys, "argv", [str(path), *NEEDED.get(path.stem, ())]):  # which some read when they are imported
        exec(compile(text, name, "exec", dont_inherit=True), vars(module))
    return module


def functions(module: ModuleType) -> dict[str, tuple[Any, Hook]]:
    """What there is to compile, by name: cases of tests, programs, or every annotated function."""
    cases = [case[0] for case in getattr(module, "CASES", ())]
    if not cases:
        own = vars(module).values()
        cases = [one for one in own if isinstance(one, FunctionType) and one.__module__ == module.__name__]
        cases = [one for one in cases if "return" in one.__annotations__ and one.__code__.co_argcount]
        cases = [one for one in cases if {*map(_name, one.__annotations__.values())} <= NUMBERS]  # others: user space
    found = {
        getattr(one, "__name__", str(one)): (one, hooks.function()) for one in cases if not isinstance(one, Program)
    }
    programs = [one for one in vars(module).values() if isinstance(one, Program)]
    return found | {one.name: (one.callee.target, one.hook) for one in programs if one.callee and one.hook}


def _name(hint: Any) -> str:
    """Of an annotation, with or without postponed evaluation."""
    return hint if isinstance(hint, str) else getattr(hint, "__name__", "")


def diagnosed(programs: dict[str, tuple[Any, Hook]], name: str) -> list[Diag]:
    """The errors and warnings of a function; of one that programs call, those of all of them."""
    found: list[Diag] = []
    for target, hook in [programs[name]] if name in programs else programs.values():
        try:
            found += translate(callee(target), hook).warnings
        except CompileError as error:
            found += error.diags
    return found


def code_lines(node: ast.AST) -> int:
    """Lines of a function that hold code."""
    return len({one.lineno for one in ast.walk(node) if isinstance(one, ast.stmt | ast.expr)})


def casts(tree: ast.AST, text: str) -> Iterator[tuple[ast.Call, str]]:
    """Each cast, and the text without it: what it casts, in parentheses."""
    rows = text.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(len(row.encode()) for row in rows)]
    data = text.encode()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in CASTS:
                place = [starts[node.lineno - 1] + node.col_offset, starts[(node.end_lineno or 0) - 1]]
                inner = ast.get_source_segment(text, argument) or ""
                end = place[1] + (node.end_col_offset or 0)
                yield node, (data[: place[0]] + f"({inner})".encode() + data[end:]).decode()


def measure(path: Path, codes: Sequence[str] = R2) -> Noise:
    """The noise of one file. codes: what asks for a cast."""
    text = path.read_text()
    tree, module = ast.parse(text), load(path, text)
    found, programs = Noise(), functions(module)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    nodes = [node for node in nodes if node.name in programs or (codes == CUTS and programs)]
    found.functions = len(nodes)
    for node in nodes:
        found.lines += code_lines(node)
        for one in diagnosed(programs, node.name) if node.name in programs else ():
            if one.code not in R2 or one.span is None:
                found.besides[one.code] += one.severity == "error"
                continue
            where = f"{path.name}:{one.span.line}: {one.code} {one.span.text.strip()}"
            shown = shown_by(text, node, one)
            (found.places if shown is None else found.right).append(where if shown is None else f"{where}  for {shown}")
        for cast, without in casts(node, text):
            found.casts += 1
            where = f"{path.name}:{cast.lineno}: {ast.get_source_segment(text, cast)}"
            without_it = diagnosed(functions(load(path, without)), node.name)
            errors = [one for one in without_it if one.code in codes]
            shown = next((given for one in errors if (given := shown_by(without, node, one)) is not None), None)
            if errors:
                (found.wanted if shown is None else found.right).append(
                    where if shown is None else f"{where}  for {shown}"
                )
    return found


def _hints(node: ast.FunctionDef) -> set[str]:
    """The names in the annotations of a function."""
    hints = [one.annotation for one in node.args.args if one.annotation is not None]
    return {one.id for hint in [*hints, node.returns] if hint for one in ast.walk(hint) if isinstance(one, ast.Name)}


def runnable(text: str) -> list[str]:
    """The lines of a module with its functions, classes and plain constants alone, each where it was."""
    rows, absent = text.splitlines(), set[str]()
    for node in ast.parse(text).body:
        marks = getattr(node, "decorator_list", [])
        kept = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.Import)
        kept = kept or (isinstance(node, ast.ImportFrom) and node.module == "bpfvm")
        kept = kept and not (isinstance(node, ast.FunctionDef) and _hints(node) - NUMBERS)
        if isinstance(node, ast.ImportFrom) and not kept:
            absent |= {one.asname or one.name for one in node.names}
        if isinstance(node, ast.Assign) and absent & {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}:
            kept = False  # of what the test makes with its own means
            absent |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        first = min([node.lineno, *(one.lineno for one in marks)])
        last = (
            (node.lineno - 1 if marks and isinstance(node, ast.FunctionDef) else first - 1) if kept else node.end_lineno
        )
        rows[first - 1 : last] = [""] * ((last or 0) - first + 1)
    return rows


def shown_by(text: str, node: ast.FunctionDef, diag: Diag) -> str | None:
    """The call for which the refused value does not fit in 64 bits, None where none was found."""
    rows = runnable(text)
    rows.insert(node.lineno - 1, "@bpf.function")
    span = diag.span
    if span is None or diag.code != "E040" or not node.args.args:
        return None
    moved = replace(diag, span=replace(span, line=span.line + 1, end_line=span.end_line + 1))
    try:
        given = witness("\n".join(rows), moved, node.name)
    except Exception as error:  # the function needs more than numbers
        print(f"    {node.name}: no inputs were tried: {type(error).__name__}: {error}")
        return None
    return None if given is None else f"{node.name}({', '.join(map(str, map(int, given)))})"


def main() -> None:
    """Print a row for each file, and how often in 100 lines."""
    corpora = {
        "as tests are written": (R2, ["tests/programs", "examples"]),
        "whole programs": (CUTS, PROGRAMS),
        "plain Python": (R2, []),
    }
    print(
        f"{'file':<28}{'functions':>10}{'lines':>7}{'casts':>7}{'asked for by R2':>17}{'E040, E046':>12}{'right':>10}"
    )
    for title, (codes, folders) in corpora.items():
        whole = Noise()
        for path in files(folders) or [PLAIN]:
            one = measure(path, codes)
            if not one.functions:
                continue
            counts = f"{len(one.wanted):>17}{len(one.places):>12}{len(one.right):>10}"
            print(f"{path.name:<28}{one.functions:>10}{one.lines:>7}{one.casts:>7}{counts}")
            whole += one
        lines = [*whole.wanted, *whole.places]
        rate = 100 * len(lines) / whole.lines
        print(f"{title}: {len(lines)} in {whole.lines} lines, {rate:.2f} in 100", end="")
        print(f"{'' if rate <= GOAL else ', above the goal'}; {len(whole.right)} more are right")
        for label, places in (("noise", lines), ("right", whole.right)):
            for line in places:
                print(f"    {label}: {line}")
        if +whole.besides:
            print(f"    not compiled for other reasons: {dict(+whole.besides)}")


if __name__ == "__main__":
    main()
