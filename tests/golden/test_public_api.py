"""The public names, with their signatures and first lines: what changes them changes a golden. `--update` writes it.

Public is what `bpfvm` exports, what those classes offer, and what tests import from `bpfvm.testing`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpfvm
from bpfvm.lang.types.scalars import Storage
from tests.golden.blame import difference

GOLDEN = Path(__file__).with_name("public_api.txt")
MODULES = (
    "bpfvm.testing.frames", "bpfvm.testing.strategies", "bpfvm.testing.machine", "bpfvm.kernel.features",
    "bpfvm.timeline.script", "bpfvm.timeline.seen", "bpfvm.lang.traced.task",
)  # fmt: skip


def lines() -> Iterator[str]:
    """One line a name; what a class offers is indented below it."""
    for name in bpfvm.__all__:
        yield from _entry(f"bpfvm.{name}", getattr(bpfvm, name))
    for module in MODULES:
        found = importlib.import_module(module)
        for name, one in sorted(vars(found).items()):
            if not name.startswith("_") and getattr(one, "__module__", None) == module:
                yield from _entry(f"{module}.{name}", one)


def _entry(name: str, one: Any) -> Iterator[str]:
    if isinstance(one, Storage):
        yield f"{name}: a storage type of {one.bits} bits"
    elif isinstance(one, type):
        yield f"class {name}({', '.join(base.__name__ for base in one.__bases__)}){_said(one)}"
        yield from _members(one)
    elif callable(one) and not isinstance(one, bpfvm.Program) and hasattr(one, "__name__"):
        yield f"{name}{_signature(one)}{_said(one)}"
    elif isinstance(one, int | str | tuple):
        yield f"{name} = {one!r}"
    else:
        yield f"{name}: {type(one).__name__}{_said(type(one))}"
        yield from _members(type(one))


def _members(kind: type) -> Iterator[str]:
    for name, one in sorted(vars(kind).items()):
        shown = name in ("__call__", "__init__", "__getitem__", "__setitem__") or not name.startswith("_")
        if not shown:
            continue
        if isinstance(one, classmethod | staticmethod):
            one = one.__func__
        if inspect.isfunction(one):
            yield f"    {name}{_signature(one)}{_said(one)}"
        elif isinstance(one, property) or hasattr(one, "attrname"):
            yield f"    {name}{_said(one)}"
    for name, hint in sorted(inspect.get_annotations(kind).items()):
        if not name.startswith("_"):
            yield f"    {name}: {hint}"


def _signature(one: Any) -> str:
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(one)))  # annotations without their quotes


def _said(one: Any) -> str:
    """The first line of its documentation."""
    first = (one.__doc__ or "").strip().partition("\n")[0]
    return f"  # {first}" if first else ""


def test_the_public_names_are_those_of_the_golden(update: bool) -> None:
    text = "\n".join(lines()) + "\n"
    if update:
        GOLDEN.write_text(text)
    want = GOLDEN.read_text() if GOLDEN.exists() else ""
    assert text == want, difference(GOLDEN, want, text)


def test_every_public_name_says_what_it_is() -> None:
    entries = [line for line in lines() if line.startswith(("class ", "bpfvm.")) and "(" in line]
    silent = [line for line in entries if "  # " not in line]
    print(f"{len(entries)} functions and classes, {sum(line.startswith('    ') for line in lines())} members")
    assert silent == []
    assert len(entries) >= 40
