"""From a Python function to an object that every machine loads: frontend, passes, back end in one call."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bpfvm.compiler.frontend.translate import Translated, translate
from bpfvm.compiler.pipeline import compile_functions
from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.errors import UsageError
from bpfvm.lang.functions.callee import Callee, callee
from bpfvm.lang.functions.capture import Capture
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map, ProgArray
from bpfvm.lang.target import DEFAULT, Target
from bpfvm.obj.model import ObjectSpec


@dataclass(frozen=True, slots=True)
class Compiled:
    """One compiled program.

    spec: the object that holds it. maps: name in the object -> the map as the user declared it.
    captured: every global, closure variable and attribute that the program was compiled with; an attribute stands
    under its dotted path. functions: those that were compiled, the programs and what they call. programs: by name, what
    each was made of.
    """

    spec: ObjectSpec
    warnings: tuple[Diag, ...]
    maps: Mapping[str, Map]
    captured: tuple[Capture, ...]
    functions: tuple[types.FunctionType, ...]
    programs: Mapping[str, tuple[Callee, Hook]]


@contextmanager
def collecting_later() -> Iterator[None]:
    """Without collections of garbage inside: little of what a compilation makes is garbage before its end, and each
    collection goes through all of it."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def compile_programs(
    programs: Sequence[tuple[Callable[..., Any], Hook]],
    *,
    record_faults: bool = False,
    dump: Callable[[str, str], None] | None = None,
    machine: Target = DEFAULT,
    count_lost: bool = False,
) -> Compiled:
    """Compile several programs into one object, as `compile_program` does one. Programs share maps by their names.
    count_lost: count events that find no room, as bpfvm.lang.maps.losses says."""
    asked = [Asked(callee(target), hook) for target, hook in programs]
    with collecting_later():
        return _compiled(asked, record_faults, dump, machine, count_lost)


def compile_program(
    target: Callable[..., Any],
    hook: Hook,
    *,
    name: str | None = None,
    record_faults: bool = False,
    dump: Callable[[str, str], None] | None = None,
    machine: Target = DEFAULT,
) -> Compiled:
    """Compile a function, method or partial for `hook`. Raises CompileError with all its errors, in source order.

    name: of the program, the function's own by default. record_faults: keep which fault ended a run, in a hidden map.
    dump: gets each pass's name and the IR's text after it. machine: the instructions to use. A map without a name takes
    that of its variable. Programs that stand in an array of it from the start are compiled into the same object.
    """
    with collecting_later():
        return _compiled([Asked(callee(target), hook, name)], record_faults, dump, machine)


@dataclass(frozen=True, slots=True)
class Asked:
    """A program to be compiled. name: the function's own for None."""

    callee: Callee
    hook: Hook
    name: str | None = None


def _compiled(
    asked: list[Asked], record_faults: bool, dump: Callable[[str, str], None] | None, machine: Target,
    count_lost: bool = False,
) -> Compiled:  # fmt: skip
    translated = _translated(asked, machine, record_faults)
    maps: dict[str, Map] = {}
    for one in translated:
        for known, declared in one.maps.items():
            if maps.setdefault(known, declared) is not declared:
                raise UsageError(f"two maps are called {known!r} in one object; name one of them: Array(…, name='…')")
    names = [name for one in translated for name in (one.function.name, *one.function.copies)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two programs are called {twice!r} in one object; rename one of the functions")
    spec = compile_functions([one.function for one in translated], maps, record_faults, dump, machine, count_lost)
    for known, declared in maps.items():
        declared.name = declared.name or known
    warnings = tuple(diag for one in translated for diag in one.warnings)
    captured = tuple(capture for one in translated for capture in one.captured)
    functions = tuple(dict.fromkeys(function for one in translated for function in one.functions))
    entries = {one.function.name: (row.callee, row.hook) for one, row in zip(translated, asked, strict=True)}
    return Compiled(spec, warnings, maps, captured, functions, entries)


def _translated(asked: list[Asked], machine: Target, recorded: bool) -> list[Translated]:
    """The IR of all of them, and of those that they jump to, which are added to `asked`. Raises CompileError with what
    is wrong in any; what they share is said once."""
    found: list[Translated] = []
    wrong: list[Diag] = []
    for row in asked:  # which grows
        try:
            made = translate(row.callee, row.hook, row.name, machine, recorded)
        except CompileError as error:
            wrong += error.diags
            continue
        found.append(made)
        for array in made.maps.values():
            for one in array.contents.values() if isinstance(array, ProgArray) else ():
                if all(one.callee.target is not known.callee.target for known in asked):
                    asked.append(Asked(one.callee, one.hook, one.name))
    if wrong:
        raise CompileError(tuple(dict.fromkeys(wrong)))
    return found
