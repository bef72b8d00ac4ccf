"""A case: the text of a module with one program, and the inputs that it runs on. It can be made a module any time."""

from __future__ import annotations

import linecache
import types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.program import Program

Given = tuple[Any, ...]
_FOLDER = "fuzz"  # of the names under which texts are kept for the compiler; no such files are written


@dataclass(frozen=True, slots=True)
class Case:
    """name: "seed:number". inputs: arguments of runs, one after the other, the maps kept between them; fields of the
    context are a dict behind them."""

    name: str
    text: str
    inputs: tuple[Given, ...]

    @property
    def file(self) -> str:
        """The name under which Python knows the text."""
        return f"{_FOLDER}/{self.name.replace(':', '-')}.py"

    def with_text(self, text: str) -> Case:
        """The case with another text."""
        return replace(self, text=text)


def program(case: Case) -> Program:
    """The module's program. LoadError where the text makes none."""
    return only_program(namespace(case), case.file)


def input_of(made: Program, given: Given) -> Input:
    """What a machine gets: a dict at the end has fields of the context."""
    fields = given[-1] if given and isinstance(given[-1], dict) else None
    return made.input(given if fields is None else given[:-1], fields)


def namespace(case: Case) -> Mapping[str, Any]:
    """What the module binds. LoadError where its text does not run."""
    module = types.ModuleType("fuzz_case")
    module.__file__ = case.file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(case.text, case.file, "exec", dont_inherit=True)
            exec(code, vars(module))
    except Exception as error:
        raise LoadError(f"{case.file}: {type(error).__name__}: {error}") from None
    lines = case.text.splitlines(keepends=True)
    linecache.cache[case.file] = (len(case.text), None, lines, case.file)
    return vars(module)


def only_program(found: Mapping[str, Any], file: str) -> Program:
    """The one program among a module's names. LoadError for none or several."""
    programs = [one for one in found.values() if isinstance(one, Program)]
    if len(programs) != 1:
        raise LoadError(f"{file} has {len(programs)} programs, and a case has one")
    return programs[0]
