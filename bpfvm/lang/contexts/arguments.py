"""What the parameters of programs on probes, tracepoints and kernel functions stand for: places in the context.

    kprobe, uprobe              def f(sk: sock, n: s32)            the function's arguments in order, by registers
    kretprobe, uretprobe,
    kretsyscall                 def f(ret: u64)                    what it returns
    fentry, tp_btf, lsm, ...    def f(next, prev: task_struct)     arguments by their names in BTF, in any order
    fexit, fmod_ret             def f(sk, ret)                     and what the function returns
    usdt                        def f(request, size)               the probe's arguments in order
    tracepoint, syscall         def f(filename: UserPtr[char])     fields by their names, in any order
    syscall_prog                def f(ctx: Args)                   a struct, which who runs the program gives and gets

A single parameter that is none of these, and has no annotation, is the context itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError, Unavailable, UsageError, alike
from bpfvm.lang.contexts import usdt
from bpfvm.lang.contexts.formats import EventField, of_event
from bpfvm.lang.contexts.usdt import Operand
from bpfvm.lang.functions.callee import Callee
from bpfvm.lang.functions.signature import evaluated, scalar_of, shown, text_type
from bpfvm.lang.hooks import Hook
from bpfvm.lang.types.described import type_of
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.layout import Layout, size_of, view
from bpfvm.lang.types.pointers import PointerType, pointer_to
from bpfvm.lang.types.scalars import Storage, bool8, char, u64
from bpfvm.lang.types.structs import Member, StructType, of_members
from bpfvm.obj.btf.types import Func, FuncProto, Typedef
from bpfvm.obj.declared import RETURN
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.sections import of_section
from bpfvm.tables.traced import NULLABLE

_WORD = 8
_REGISTERS = 6  # arguments that are passed in registers (System V AMD64 psABI 3.2.3)
_BTF = ("tracing", "lsm")
_TRAMPOLINES = ("trace_fentry", "trace_fexit", "modify_return")  # whose context is a function's arguments
_RETURNS = ("trace_fexit", "modify_return")
_OF_ALL = ("args", "ctx", "event", "record")  # what a lone parameter is called that stands for all fields of an event
_TYPO = 0.8  # how like a field's name one is that was meant to be it

BUFFER = 512  # bytes of a context that is given by fields


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter. type: a storage type, a pointer type, or a layout that lies in the context. offset: bytes.

    word: it stands in a whole word of the context, of which the type's bytes count. located: the type is that of a text
    whose place the u32 there tells. trusted: the verifier knows the type of what it points to. nullable: and that it
    may be null, so that it takes no arithmetic with it. operand: of a USDT probe, where it is. writable: it
    is stored to.
    """

    name: str
    type: Any
    offset: int
    word: bool = False
    located: bool = False
    trusted: bool = False
    nullable: bool = False
    operand: Operand | None = None
    writable: bool = False

    def value(self, context: bytes, base: int) -> Any:
        """What the parameter is in CPython, of the context's bytes; base: their address."""
        kind, at = self.type, self.offset
        if self.operand is not None:
            return kind.unpack(self.operand.stored(context))
        if self.located:
            start = int.from_bytes(context[at : at + 4], "little") & 0xFFFF
            return pointer_to("kernel", char)(base + start)
        if isinstance(kind, Layout):
            return view(kind, context, at, True)
        return kind.unpack(context[at : at + size_of(kind)])


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a parameter. name: "" for all of the function."""

    name: str
    text: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parameters of a program, in order. problems: why they have no meaning."""

    params: tuple[Argument, ...] = ()
    problems: tuple[Problem, ...] = ()

    def context(self, given: Sequence[int]) -> bytes:
        """The bytes of a context in which the parameters are these numbers."""
        size = max((one.offset + max(size_of(one.type), _WORD) for one in self.params), default=0)
        out = bytearray(max(size, _WORD * _REGISTERS))
        for one, number in zip(self.params, given, strict=True):
            width = _WORD if one.word else size_of(one.type)
            out[one.offset : one.offset + width] = (int(number) & (1 << 8 * width) - 1).to_bytes(width, "little")
        return bytes(out)


def declared(callee: Callee, hook: Hook) -> Arguments | None:
    """What the parameters of a function stand for. None where it takes the context, or nothing."""
    names = callee.parameters
    if not names or hook.scalars:
        return None
    hints = callee.function.__annotations__
    alone = names[0] if len(names) == 1 and names[0] not in hints else None
    if hook.type == "kprobe":
        return _of_registers(callee, hook) if alone is None or (alone == RETURN and _returns(hook)) else None
    if hook.type == "syscall":
        return _of_struct(callee) if alone is None else None
    if hook.type in (*_BTF, "raw_tracepoint"):
        return _by_name(callee, hook, alone, _of_btf)
    return _by_name(callee, hook, alone, _of_fields) if hook.type == "tracepoint" else None


def misnamed(hook: Hook, name: str) -> Problem | None:
    """Why a lone parameter is the context, and no argument of what the program is for. None where that has none."""
    if hook.type not in (*_BTF, "raw_tracepoint"):
        return None
    try:
        known = next(_of_btf(hook), None)
    except (Unavailable, UsageError) as error:
        return Problem(name, str(error))
    return None if known is None else _unknown(name, known)


def words(hook: Hook, found: Arguments) -> dict[int, tuple[str, Any]]:
    """Name and type of what a program takes each word of its context for, or each register of a function's: what
    another kernel may have otherwise. By the word's number, or the argument's."""
    plain = [one for one in found.params if one.word and isinstance(one.type, Storage)]
    if hook.type in (*_BTF, "raw_tracepoint"):
        return {one.offset // _WORD: (one.name, one.type) for one in plain}
    is_function = hook.type == "kprobe" and hook.kind == "kprobe" and not _returns(hook)
    return {at: (one.name, one.type) for at, one in enumerate(plain)} if is_function else {}


def _of_struct(callee: Callee) -> Arguments | None:
    """The context of a program that is run by BPF_PROG_RUN alone: bytes, and so a struct of the user's."""
    name = callee.parameters[0]
    try:
        kind = _typed(callee, name)
    except UsageError:
        return None
    if len(callee.parameters) > 1 or not isinstance(kind, StructType):
        return None
    return Arguments((Argument(name, kind, 0, writable=True),))


def _returns(hook: Hook) -> bool:
    return of_section(hook.section).returns


def _typed(callee: Callee, name: str) -> Any:
    """The type that an annotation names, None without one. UsageError for what is none of an argument."""
    if name not in callee.function.__annotations__:
        return None
    hint = evaluated(callee.function, name)[name]
    scalar = scalar_of(hint)
    if scalar is not None:
        return scalar.annotation if isinstance(scalar.annotation, Storage) else bool8 if hint is bool else u64
    if isinstance(hint, StructType):
        return hint
    raise UsageError(f"parameter {name} has no type of an argument, but {shown(hint)}")


def _untyped(callee: Callee, name: str, error: UsageError) -> Problem:
    """A parameter whose annotation names no type of an argument."""
    help = text_type(name, callee.function.__annotations__[name])
    return Problem(name, str(error), help or f"{name}: u32, {name}: UserPtr[char], {name}: task_struct")


def _of_registers(callee: Callee, hook: Hook) -> Arguments:
    problems: list[Problem] = []
    params: list[Argument] = []
    if of_section(hook.section).name.partition("/")[0].startswith("usdt"):
        return _of_probe(callee, hook)
    layout = CONTEXTS["pt_regs"]
    for at, name in enumerate(callee.parameters):
        try:
            kind = _typed(callee, name)
        except UsageError as error:
            problems.append(_untyped(callee, name, error))
            continue
        role = f"parm{at + 1}"
        if _returns(hook):
            role = RETURN
            if name != RETURN:
                text = f"parameter {name}: when a function returns, its arguments are gone, and there is only `ret`"
                problems.append(Problem(name, text, f"def {callee.function.__name__}(ret: u64):"))
                continue
        if at >= _REGISTERS:
            problems.append(Problem(name, f"parameter {name}: {_REGISTERS} arguments are passed in registers"))
        elif kind is None or isinstance(kind, Layout):
            text = f"parameter {name} needs the type that the function has for it"
            problems.append(Problem(name, text, f"{name}: u64, or {name}: UserPtr[char]"))
        else:
            register = layout.field(role)
            assert register is not None, "the table has these roles"
            params.append(Argument(name, kind, register.offset, word=True))
    return Arguments(tuple(params), tuple(problems))


def _of_probe(callee: Callee, hook: Hook) -> Arguments:
    """The arguments of a USDT probe in order; an annotation says what is made of a number of its size."""
    target = next(iter(hook.targets), of_section(hook.section).target)
    kinds = []
    for name in callee.parameters:
        try:
            kinds.append(_typed(callee, name))
        except UsageError as error:
            return Arguments(problems=(_untyped(callee, name, error),))
    try:
        operands = usdt.of_probe(target)
    except (LoadError, UsageError, ValueError) as error:
        return Arguments(problems=(Problem("", f"{target or hook.section}: {error}"),))
    names = callee.parameters
    if len(names) > len(operands):
        text = f"parameter {names[len(operands)]}: the probe has {len(operands)} arguments"
        return Arguments(problems=(Problem(names[len(operands)], text),))
    params, problems = [], []
    for name, kind, one in zip(names, kinds, operands, strict=False):
        if isinstance(kind, PointerType) and one.type.size != _WORD:
            problems.append(Problem(name, f"parameter {name}: the probe has {octets(one.type.size)} of it"))
        whole = kind if isinstance(kind, PointerType) else one.type
        params.append(Argument(name, whole, 0, operand=one))
    return Arguments(tuple(params), tuple(problems))


def _by_name(callee: Callee, hook: Hook, alone: str | None, places: Any) -> Arguments | None:
    """Parameters that have their places by name."""
    single = callee.parameters[0] if len(callee.parameters) == 1 else None
    if hook.type == "tracepoint" and single is not None:
        try:
            kind = _typed(callee, single)
        except UsageError as error:
            return None if alone is not None else Arguments(problems=(_untyped(callee, single, error),))
        if isinstance(kind, StructType):
            return Arguments((Argument(single, kind, 0),))
    try:
        known: list[Mapping[str, Argument]] = list(places(hook))
    except (Unavailable, UsageError) as error:
        return None if alone is not None else Arguments(problems=(Problem("", str(error)),))
    if not known:
        text = (
            f"the program of section {hook.section!r} names nothing that it is for, so its parameters have no meaning"
        )
        return None if alone is not None else Arguments(problems=(Problem("", text),))
    if alone is not None and alone not in known[0]:
        if hook.type == "tracepoint" and alone not in _OF_ALL and alike(alone, known[0], cutoff=_TYPO):
            return Arguments(problems=(_unknown(alone, known[0]),))
        return _whole(hook, alone, known) if hook.type == "tracepoint" else None
    problems: list[Problem] = []
    params: list[Argument] = []
    for name in callee.parameters:
        found = [one.get(name) for one in known]
        first = found[0]
        if first is None:
            problems.append(_unknown(name, known[0]))
            continue
        if any(one is None or (one.offset, one.type) != (first.offset, first.type) for one in found):
            problems.append(Problem(name, f"{name!r} is another argument or field of each target, or none of some",
                                    "write one for each, and one that both call for what they share"))  # fmt: skip
            continue
        try:
            kind = _typed(callee, name)
        except UsageError as error:
            problems.append(_untyped(callee, name, error))
            continue
        params.append(first if kind is None else _as(first, kind))
    return Arguments(tuple(params), tuple(problems))


def _whole(hook: Hook, name: str, known: Sequence[Mapping[str, Argument]]) -> Arguments | None:
    """All fields of an event as one value, where the events have the same; but for texts that lie behind them."""
    fields = [{key: one for key, one in row.items() if not one.located} for row in known]
    if any(row != fields[0] for row in fields) or not fields[0]:
        return None
    members = [Member(one.name, one.offset, one.type) for one in fields[0].values()]
    event = next(name for _, name in _events(hook))
    return Arguments((Argument(name, of_members(event, members), 0),))


def _unknown(name: str, known: Mapping[str, Argument]) -> Problem:
    near = alike(name, known)
    offered = " ".join(known) or "nothing"
    return Problem(name, f"there is no argument or field {name!r}", f"did you mean {near[0]}?" if near else
                   f"there is {offered}")  # fmt: skip


def _as(one: Argument, kind: Any) -> Argument:
    """With the type of its annotation."""
    same = isinstance(kind, PointerType) and kind is one.type
    return replace(one, type=kind, trusted=one.trusted and same, located=one.located and isinstance(kind, PointerType))


def _of_fields(hook: Hook) -> Iterator[dict[str, Argument]]:
    """By the events that the program is for."""
    for category, event in _events(hook):
        yield fields(category, event)


def fields(category: str, event: str) -> dict[str, Argument]:
    """The fields of a tracepoint, in order. Unavailable where nothing tells them."""
    return {name: _field(one) for name, one in of_event(category, event).items()}


def _events(hook: Hook) -> Iterator[tuple[str, str]]:
    target = of_section(hook.section).target
    if hook.kind in ("syscall", "syscall_exit"):
        way = "enter" if hook.kind == "syscall" else "exit"
        yield from (("syscalls", f"sys_{way}_{one}") for one in hook.targets)
    elif hook.targets:
        for one in hook.targets:
            category, _, name = one.replace("/", ":").partition(":")
            yield category, name
    elif target:
        category, _, name = target.partition("/")
        yield category, name


def _field(one: EventField) -> Argument:
    kind = pointer_to("kernel", char) if one.located else one.type
    is_word = isinstance(kind, Storage) and kind is u64
    return Argument(one.name, kind, one.offset, word=is_word, located=one.located)


def _of_btf(hook: Hook) -> Iterator[dict[str, Argument]]:
    """By the prototypes of the functions or tracepoints that the program is for."""
    targets = [one.replace("/", ":").rpartition(":")[2] for one in hook.targets] or [of_section(hook.section).target]
    for name in targets:
        if name:
            yield prototype(hook, name)


def prototype(hook: Hook, name: str) -> dict[str, Argument]:
    """The arguments that BTF tells of a function or a tracepoint, in order. UsageError where it has none."""
    types, proto = KERNEL.types, _proto(hook, name)
    found = {}
    for at, ((param, kind), word) in enumerate(zip(_params(hook, proto), _words(hook, proto), strict=False)):
        found[param] = _of_type(hook, param, type_of(types, kind), _WORD * word)
        if hook.type == "tracing" and (name, at) in NULLABLE:
            found[param] = replace(found[param], trusted=False, nullable=True)
    if hook.attach_type in _RETURNS and proto.returns:
        found[RETURN] = _of_type(hook, RETURN, type_of(types, proto.returns), _WORD * _words(hook, proto)[-1])
    return found


def traced(hook: Hook, name: str) -> tuple[int, bool] | None:
    """How many words of arguments programs on a function get, and whether what it returns stands behind them. None for
    places that tell no count, and where BTF has no such function."""
    if hook.attach_type not in _TRAMPOLINES:
        return None
    try:
        return _words(hook, _proto(hook, name))[-1], hook.attach_type in _RETURNS
    except UsageError:
        return None


def _proto(hook: Hook, name: str) -> FuncProto:
    """Of a function or a tracepoint. UsageError where the kernel's types have none."""
    types = KERNEL.types
    function = f"bpf_lsm_{name}" if hook.type == "lsm" else name
    numbers = [types.find(Func, one) for one in ((f"__bpf_trace_{name}", f"__traceiter_{name}") if _is_event(hook) else
                                                 (function,))]  # fmt: skip
    number = next((one for one in numbers if one is not None), None)
    if number is None:
        what = "tracepoint" if _is_event(hook) else "function"
        known = types.find(Typedef, f"btf_trace_{name}") if _is_event(hook) else None
        text = "names no arguments of it" if known is not None else f"has no {what} {name!r}"
        raise UsageError(
            f"the kernel's BTF {text}{KERNEL.hint}{_near(name) if _is_event(hook) and known is None else ''}"
        )
    of_function: Any = types[number]
    proto: Any = types[of_function.type]
    assert isinstance(proto, FuncProto), "a function has a prototype"
    return proto


def _near(name: str) -> str:
    """Tracepoints whose names are like one that there is not."""
    start = "btf_trace_"
    near = alike(name, [one.removeprefix(start) for one in KERNEL.types.beginning(start)], 3)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _is_event(hook: Hook) -> bool:
    return hook.type == "raw_tracepoint" or hook.attach_type == "trace_raw_tp"


def _params(hook: Hook, proto: FuncProto) -> Sequence[tuple[str, int]]:
    return proto.params[1:] if _is_event(hook) else proto.params


def _words(hook: Hook, proto: FuncProto) -> list[int]:
    """In which word of the context each argument begins, and where the last ends: a struct as an argument takes as many
    as it has where the arguments are those of a function."""
    found = [0]
    for _, kind in _params(hook, proto):
        size = KERNEL.types.size_of(kind) if kind and hook.attach_type in _TRAMPOLINES else _WORD
        found.append(found[-1] + max(-(-size // _WORD), 1))
    return found


def _of_type(hook: Hook, name: str, kind: Any, offset: int) -> Argument:
    """An argument of a type of the kernel's; of one that is no number or pointer, its word."""
    kind = kind if isinstance(kind, Storage) else u64
    target = kind.__target__ if isinstance(kind, PointerType) else None
    trusted = hook.type in _BTF and isinstance(target, KernelStruct) and target.__whole__
    return Argument(name, kind, offset, word=True, trusted=trusted)


__all__ = ["RETURN", "Argument", "Arguments", "Problem", "declared", "fields", "prototype", "traced", "words"]
