"""What runs where something is called: the function behind methods, partials and programs, and what they bring."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.core.errors import UsageError

PROGRAM = "__bpf_function__"  # the property by which a program tells its function


@dataclass(frozen=True, slots=True)
class Callee:
    """A function of the user's. target: what was given for it. bound: parameters that have their values, by name."""

    target: Callable[..., Any]
    function: types.FunctionType
    bound: Mapping[str, Any] = field(default_factory=dict)

    def call(self, values: Mapping[str, Any]) -> Any:
        """Call it with the values of its other parameters."""
        return self.function(**self.bound, **values)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the others, in order."""
        code = self.function.__code__
        return tuple(name for name in code.co_varnames[: code.co_argcount] if name not in self.bound)


def callee(target: Callable[..., Any]) -> Callee:
    """The function that a call of `target` runs. UsageError where that is none written in Python."""
    args: list[Any] = []
    named: dict[str, Any] = {}
    inner: Any = target
    while (step := brought(inner)) is not None:
        inner = step[0]
        args, named = [*step[1], *args], {**step[2], **named}
    if not isinstance(inner, types.FunctionType):
        raise UsageError(f"a program is made of a plain Python function, not of {target!r}")
    code = inner.__code__
    if len(args) > code.co_argcount or any(name not in code.co_varnames[: code.co_argcount] for name in named):
        raise UsageError(f"{inner.__name__} takes no such arguments as {target!r} gives it")
    return Callee(target, inner, dict(zip(code.co_varnames, args, strict=False)) | named)


def brought(target: Any) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]] | None:
    """What a method, partial or program calls, with the arguments that it brings. None for anything else."""
    if isinstance(target, types.MethodType):
        return target.__func__, (target.__self__,), {}
    if isinstance(getattr(type(target), PROGRAM, None), property):
        return getattr(target, PROGRAM), (), {}
    return (target.func, target.args, target.keywords) if isinstance(target, functools.partial) else None
