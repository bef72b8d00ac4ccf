"""One event as the input of a program that traces it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bpfvm.core import machine
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.lang.contexts.arguments import RETURN, Arguments, traced
from bpfvm.lang.functions.signature import Signature
from bpfvm.lang.traced import stacks
from bpfvm.lang.traced.contexts import Given, context
from bpfvm.lang.traced.memory import Memory
from bpfvm.lang.traced.sites import FAMILIES, Site
from bpfvm.lang.traced.task import Task
from bpfvm.lang.traced.values import pointed
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.pointers import PointerType

_SPACES = {"function": "kernel", "user": "user"}  # in which the functions are that programs of a family are on


def happening(
    site: Site, target: str, declared: Arguments | None, given: Given, memory: Memory, task: Task | None,
    more: Mapping[int, bytes], arch: str = "x86_64",
) -> tuple[Input, frozenset[str]]:  # fmt: skip
    """What a program gets of an event, and the names of arguments that it has room for. more: memory by address."""
    made = context(site, target, declared, given, memory, arch)
    space = _SPACES.get(FAMILIES[site.kind][0])
    function = stacks.address(space, target.rpartition(":")[2].partition("+")[0]) if space is not None else None
    runs, laid_out = told(task, memory), memory.now(more)
    words, returned = traced(site.hook, target.rpartition(":")[2]) or (None, False)
    given_to = Input(
        ctx=made.ctx, fields=made.fields, memory=laid_out, task=runs, function=function, words=words,
        returned=returned, tasks=tuple(one.told(True) for one in memory.owners), paths=memory.paths,
    )  # fmt: skip
    return given_to, made.known


def called(
    site: Site, declared: Arguments | None, values: tuple[Any, ...], args: Any, ret: Any, regs: Mapping[str, int],
    more: Mapping[int, bytes], task: Task | None, name: str,
) -> Input:  # fmt: skip
    """The input in which a program's parameters have these values, in order. args: of what it is on, by name or in
    order. UsageError for what it has not."""
    if task is not None and not isinstance(task, Task):
        raise UsageError(f"{name}: task= takes a Task, not {task!r:.60}")
    if args is not None and (isinstance(args, str | bytes) or not isinstance(args, Mapping | Sequence)):
        raise UsageError(f"{name}: args= takes arguments in order, or by name, not {args!r:.60}")
    params = [one.name for one in declared.params] if declared is not None and not declared.problems else []
    if values and len(values) != len(params):
        raise UsageError(f"{name} takes ({', '.join(params)}), got {len(values)} arguments")
    named = dict(zip(params, values, strict=False))
    if site.returns and RETURN in named:
        ret = named.pop(RETURN)
    order = () if args is None or isinstance(args, Mapping) else tuple(args)
    named |= dict(args) if isinstance(args, Mapping) else {}
    if ret is not None and not site.returns:
        named[RETURN] = ret
    given = Given(order, named, ret, regs, task.tid if task is not None else 0)
    made, known = happening(site, next(iter(site.targets), ""), declared, given, Memory(), task, more)
    wrong = next((one for one in named if one not in known), None)
    if wrong is not None and site.kind != "perf_event":
        raise UsageError(f"{name} has no argument {wrong!r}; it has {', '.join(sorted(known)) or 'none'}")
    return made


def numbers(signed: Signature, values: tuple[Any, ...], memory: Memory, name: str) -> tuple[Any, ...]:
    """Arguments of a function of scalars; what its pointers lead to is laid out."""
    found = []
    for (param, scalar), value in zip(signed.params, values, strict=False):
        kind: Any = scalar.annotation
        if isinstance(kind, PointerType) and not isinstance(value, int):
            address, block = pointed(value, kind.__target__, kind.__space__, memory.made, f"{name}: {param}")
            if block is not None:
                memory.take(block)
            value = address
        found.append(value)
    return (*found, *values[len(found) :])


def told(task: Task | None, memory: Memory) -> machine.Task | None:
    """A task as machines have it, its task_struct laid out."""
    if task is None:
        return None
    if not isinstance(task, Task):
        raise UsageError(f"an event happens by a Task, not by {task!r:.60}")
    has_struct = KERNEL.knows("task_struct")
    if has_struct:
        one: Task | None = task
        while one is not None:
            for block in (one.__bpf_block__, *(area.__bpf_block__ for area in one.areas)):
                memory.take(block)
            one = one.parent
    return task.told(has_struct)
