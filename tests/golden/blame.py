"""Golden diagnostics: an input blames its own lines by `#~ CODE part of the message`; the text stands beside it.

`# hook: xdp`, `# hook: xdp with frags` or `# hook: sock_addr connect4` says what the program is made for; else it is a
function of scalars.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bpfvm.compiler import compile_program
from bpfvm.core.diag import CompileError, Diag
from bpfvm.lang import hooks

FOLDER = Path(__file__).parent / "compile"
_MARK = re.compile(r"#~ ([EW]\d{3}) ((?:(?! #~ ).)*)")
_HOOK = re.compile(r"# hook: (\w+)(?: (?!with )(\S+))?(?: with (\w+))?")


@dataclass(frozen=True)
class Blame:
    """What a comment of the input expects of its line."""

    line: int
    code: str
    part: str

    def fits(self, diag: Diag) -> bool:
        """Whether the diagnostic is the one that is meant."""
        at = diag.span.line if diag.span is not None else 0
        return (at, diag.code) == (self.line, self.code) and self.part in diag.message


def blames(text: str) -> list[Blame]:
    """Every blame of an input, in order."""
    return [
        Blame(number, found[1], found[2].strip())
        for number, line in enumerate(text.split("\n"), 1)
        for found in _MARK.finditer(line)
    ]


def diagnostics(path: Path) -> Sequence[Diag]:
    """Compile the input's `program`: its errors, or the warnings of a program that compiles."""
    found = _HOOK.search(path.read_text())
    kind, given, option = found.groups() if found else ("function", None, None)
    targets, options = (given,) if given else (), (option,) if option else ()
    hook = hooks.function() if kind == "function" else hooks.hook(kind, targets, options=options)
    try:
        return compile_program(_program(path), hook).warnings
    except CompileError as error:
        return error.diags


def _program(path: Path) -> types.FunctionType:
    spec = importlib.util.spec_from_file_location(f"golden_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = module.program
    assert isinstance(function, types.FunctionType)
    return function


def rendered(diags: Sequence[Diag]) -> str:
    """The diagnostics as text, without the folder that they stand in."""
    return "\n\n".join(map(str, diags)).replace(f"{FOLDER}/", "") + "\n"


def mismatches(expected: Sequence[Blame], diags: Sequence[Diag]) -> list[str]:
    """Blames without their diagnostic, and diagnostics that no comment blames."""
    left = list(diags)
    missing = []
    for blame in expected:
        fitting = next((diag for diag in left if blame.fits(diag)), None)
        if fitting is None:
            missing.append(f"line {blame.line}: no {blame.code} with {blame.part!r}")
        else:
            left.remove(fitting)
    surplus = [f"line {one.span.line if one.span else 0}: {one.code} {one.message!r} is not blamed" for one in left]
    return missing + surplus


def difference(path: Path, want: str, got: str) -> str:
    """A unified diff, and how to accept it."""
    lines = difflib.unified_diff(want.splitlines(), got.splitlines(), path.name, "now", lineterm="")
    return "\n".join([*lines, f"\nto accept it: python -m pytest tests/golden --update -k {path.stem}"])
