"""From a Python function to an object that every machine loads: frontend, passes, back end in one call."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.compiler.frontend.translate import translate
from bpfvm.compiler.pipeline import compile_functions
from bpfvm.core.diag import Diag
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map
from bpfvm.obj.model import ObjectSpec


@dataclass(frozen=True, slots=True)
class Compiled:
    """One compiled program.

    spec: the object that holds it. maps: name in the object -> the map as the user declared it.
    captured: (name, value) of every global, closure variable and module attribute that the program was compiled with;
    an attribute stands under its dotted path.
    """

    spec: ObjectSpec
    warnings: tuple[Diag, ...]
    maps: Mapping[str, Map]
    captured: tuple[tuple[str, Any], ...]


def compile_program(
    function: types.FunctionType,
    hook: Hook,
    *,
    name: str | None = None,
    record_faults: bool = False,
    dump: Callable[[str, str], None] | None = None,
) -> Compiled:
    """Compile `function` for `hook`. Raises CompileError with all errors of the function, in source order.

    name: of the program, the function's own by default. record_faults: keep which fault ended a run, in a hidden map.
    dump: gets each pass's name and the IR's text after it. A map without a name takes that of its variable.
    """
    translated = translate(function, hook, name)
    spec = compile_functions([translated.function], translated.maps, record_faults, dump)
    for known, declared in translated.maps.items():
        declared.name = declared.name or known
    return Compiled(spec, translated.warnings, translated.maps, translated.captured)
