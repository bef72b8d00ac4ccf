"""`--helper`: Python functions in place of helpers and kernel functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click

from bpfvm.cli.target import imported
from bpfvm.core.errors import LoadError, UsageError

Command = TypeVar("Command", bound="Callable[..., Any]")


def option(command: Command) -> Command:
    """The option, as parameter `answers` of a command: texts, for `read`."""
    return click.option(
        "--helper", "answers", multiple=True, metavar="[NAME=]FILE.py:FUNCTION",
        help="A Python function in place of the helper (or kernel function) of its name, or of NAME; repeatable. "
        "FILE.py is imported: its top level runs.",
    )(command)  # fmt: skip


def read(given: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    """The functions that the option names, by helper. UsageError, LoadError for what cannot be."""
    modules: dict[Path, ModuleType] = {}
    found: dict[str, Callable[..., Any]] = {}
    for text in given:
        name, equals, place = text.rpartition("=")
        path, colon, function = place.rpartition(":")
        if not colon or not path or not function or (equals and not name):
            raise UsageError(f"--helper {text}: write FILE.py:FUNCTION, or NAME=FILE.py:FUNCTION")
        name = (name or function).removeprefix("bpf_") if not equals else name.removeprefix("bpf_")
        if name in found:
            raise UsageError(f"--helper {text}: {name} was given before")
        file = Path(path)
        if file not in modules:
            modules[file] = imported(file, f"bpfvm_helpers_{len(modules)}")
        found[name] = _function(modules[file], file, function)
    return found


def _function(module: ModuleType, path: Path, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    if found is not None:
        raise LoadError(f"{path}: {name} is {found!r}, and must be a function")
    offered = ", ".join(one for one, value in vars(module).items() if callable(value) and not one.startswith("_"))
    raise LoadError(f"{path} has no function {name!r}; it has {offered or 'none'}")
