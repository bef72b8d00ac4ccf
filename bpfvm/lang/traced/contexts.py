"""Contexts of programs on events, of arguments by name or in order: registers, records of tracepoints, words by BTF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.lang.contexts import arguments, usdt
from bpfvm.lang.contexts.arguments import RETURN, Argument, Arguments
from bpfvm.lang.traced import values
from bpfvm.lang.traced.memory import Memory
from bpfvm.lang.traced.sites import FAMILIES, Site
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.layout import Layout, View, size_of
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, u64
from bpfvm.lang.types.structs import StructType
from bpfvm.tables import syscalls
from bpfvm.tables.ctx import CONTEXTS, REGISTERS, Context
from bpfvm.tables.progs import BY_NAME

WORD = 8
_MOST = 6  # arguments that are passed in registers (System V AMD64 psABI 3.2.3)
_PID = 4  # offset of a record's pid
_FRAME = 1 << 12  # bytes of a stack frame on either side of a register that a USDT probe counts from


@dataclass(frozen=True, slots=True)
class Given:
    """What a script tells of one event. named: arguments by name. ret: what returns, None where nothing does or None.

    regs: registers by name, or fields of a sample. task: the thread's id.
    """

    args: Sequence[Any] = ()
    named: Mapping[str, Any] | None = None
    ret: Any = None
    regs: Mapping[str, int] | None = None
    task: int = 0


@dataclass(slots=True)
class Made:
    """A context: bytes of a plain one, or fields by name. known: names of arguments that it has room for."""

    ctx: bytes | None
    fields: dict[str, int]
    known: frozenset[str]


def registers(arch: str) -> str:
    """The name of an architecture in tables.ctx.REGISTERS. UsageError for one whose registers are not known."""
    known = {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch) if isinstance(arch, str) else ""
    if known not in REGISTERS:
        raise UsageError(f"there are no registers of {arch!r}; there are those of {', '.join(REGISTERS)}")
    return known


def context(
    site: Site, target: str, declared: Arguments | None, given: Given, memory: Memory, arch: str = "x86_64"
) -> Made:  # fmt: skip
    """The context of a program for one event. target: what it is attached to. declared: its parameters.

    UsageError for arguments that it cannot be given, which it names.
    """
    own = declared.params if declared is not None and not declared.problems else ()
    what = f"{site.kind}:{target}"
    if site.kind == "perf_event":
        return Made(None, _sample(given, what), frozenset())
    if site.kind == "usdt":
        return _usdt(own, target, given, memory, what)
    layout = REGISTERS[arch] if site.hook.type == "kprobe" else None
    slots = _typed(_slots(site, target, own, layout), own)
    returned = [one for one in slots if one.name == RETURN] if site.returns else []
    order = [one for one in slots if one not in returned]
    if site.returns and not order:  # arguments are gone when it returns
        given = replace(given, args=(), named=None)
    if len(given.args) > len(order):
        raise UsageError(f"{what} has {len(order)} arguments ({', '.join(one.name for one in order) or 'none'}), "
                         f"not {len(given.args)}")  # fmt: skip
    chosen: list[tuple[Argument, Any]] = list(zip(order, given.args, strict=False))
    taken = {one.name for one, _ in chosen}
    for one in order:
        if given.named is not None and one.name in given.named:
            if one.name in taken:
                raise UsageError(f"{what}: {one.name} is given twice, in order and by its name")
            chosen.append((one, given.named[one.name]))
    chosen += [(one, given.ret) for one in returned]
    data = _written(chosen, slots, "user" if FAMILIES[site.kind][0] in ("user", "syscall") else "kernel", memory, what)
    if site.kind in ("tracepoint", "syscall", "syscall_exit"):
        data[_PID : _PID + 4] = given.task.to_bytes(4, "little")
    known = frozenset(one.name for one in order)
    kind = BY_NAME[site.hook.type].context
    if kind is None:
        _named(None, given.regs, what)
        return Made(bytes(data), {}, known)
    return Made(None, {**words(layout or CONTEXTS[kind], data), **_named(layout, given.regs, what)}, known)


def _slots(site: Site, target: str, own: Sequence[Argument], layout: Context | None) -> list[Argument]:
    """What the event has, in order; of what nothing tells, what the program's own parameters are."""
    name = target.rpartition(":")[2]
    try:
        if layout is not None:
            return _passed(site, name, own, layout)
        if site.kind in ("syscall", "syscall_exit"):
            return _of_call(site, name)
        if site.kind == "tracepoint":
            category, _, event = target.rpartition(":")
            category = category or next((one.partition(":")[0] for one in site.targets if one.endswith(f":{name}")), "")
            return list(arguments.fields(category, event).values())
        return list(arguments.prototype(site.hook, name).values())
    except (UsageError, Unavailable):
        whole = own[0].type if len(own) == 1 and own[0].offset == 0 else None
        if isinstance(whole, StructType):
            return [Argument(one.name, one.type, one.offset) for one in whole.__members__.values()]
        if site.hook.type not in ("raw_tracepoint", "tracing", "lsm") and not own:
            raise
        words = [Argument(f"arg{at + 1}", u64, WORD * at, word=True) for at in range(12)]
        return list(own) or words


def _of_call(site: Site, name: str) -> list[Argument]:
    """The arguments of a system call, or its result; of one that no table has, words in order."""
    way = "exit" if site.returns else "enter"
    try:
        found = arguments.fields("syscalls", f"sys_{way}_{name}")
    except Unavailable:
        if name not in syscalls.ARGUMENTS and not site.returns:
            raise UsageError(f"there is no system call {name!r} in tables.syscalls") from None
        raise
    return [one for one in found.values() if one.name != "__syscall_nr"]


def _passed(site: Site, name: str, own: Sequence[Argument], layout: Context) -> list[Argument]:
    """The registers that arguments are passed in, or that a result is in."""
    if site.returns:
        return [Argument(RETURN, u64, _register(layout, RETURN), word=True)]
    names: list[tuple[str, Any]] = []
    if FAMILIES[site.kind][0] == "function":
        try:
            entry = replace(site.hook, type="tracing", section=f"fentry/{name}")
            names = [(one.name, one.type) for one in arguments.prototype(entry, name).values()]
        except UsageError:
            names = []
    places = {one.offset: one for one in own}
    slots = []
    for at in range(_MOST):
        offset = _register(layout, f"parm{at + 1}")
        title, kind = names[at] if at < len(names) else (f"arg{at + 1}", u64)
        known = places.get(offset)
        slots.append(known or Argument(title, kind, offset, word=True))
    return slots


def _register(layout: Context, role: str) -> int:
    found = layout.field(role)
    assert found is not None, f"{layout.name} has {an(role)}"
    return found.offset


def _typed(slots: Sequence[Argument], own: Sequence[Argument]) -> list[Argument]:
    """With the types that the program's parameters have for them."""
    types = {(one.name, one.offset): one for one in own if not isinstance(one.type, StructType)}
    found = []
    for one in slots:
        mine = types.get((one.name, one.offset))
        found.append(replace(one, type=mine.type) if mine is not None and not one.located else one)
    return found


def _written(
    chosen: Sequence[tuple[Argument, Any]], slots: Sequence[Argument], space: str, memory: Memory, what: str
) -> bytearray:
    """The context's bytes. What lies behind a record's fields, such as texts, is added at their end."""
    end = max((one.offset + (WORD if one.word else size_of(one.type)) for one in slots), default=0)
    data = bytearray(max(end, WORD * 2))
    for one, value in chosen:
        place = f"{what}: {one.name}"
        if one.located:
            if not isinstance(value, str | bytes | bytearray | None):
                raise UsageError(f"{place} is a text, not {value!r:.60}")
            text = values.encoded(value or b"", place)
            at = len(data)
            data += text + b"\0"
            data[one.offset : one.offset + 4] = (len(text) + 1 << 16 | at).to_bytes(4, "little")
            continue
        part = _bytes(one, value, space, memory, place)
        data[one.offset : one.offset + len(part)] = part
    return data


def _bytes(one: Argument, value: Any, space: str, memory: Memory, what: str) -> bytes:
    kind = one.type
    if isinstance(kind, PointerType):
        return _pointer(value, kind.__target__, kind.__space__, memory, what)
    if isinstance(kind, Storage):
        is_number = isinstance(value, int) and not hasattr(value, values.BLOCK)
        if is_number:
            part = values.number(value, kind, what)
            if not one.word:
                return part
            return (int(value) & (1 << 64) - 1).to_bytes(WORD, "little")
        if one.word:
            return _pointer(value, None, space, memory, what)
        return values.number(value, kind, what)
    if isinstance(value, View) and type(value) is kind:
        return bytes(value)
    if isinstance(kind, ArrayType):
        if isinstance(value, str | bytes | bytearray):
            return values.text(value, size_of(kind), what)
        return values.elements(value, kind.__element__, kind.__length__, what)
    if isinstance(kind, Layout) and isinstance(value, bytes | bytearray) and len(value) == size_of(kind):
        return bytes(value)
    raise UsageError(f"{what} is {an(getattr(kind, '__name__', kind))}, and is not given by {value!r:.60}")


def _pointer(value: Any, target: Any, space: str, memory: Memory, what: str) -> bytes:
    address, block = values.pointed(value, target, space, memory.made, what)
    if block is not None:
        memory.take(block)
    return address.to_bytes(WORD, "little")


def words(layout: Context, data: bytes | bytearray) -> dict[str, int]:
    """The words of a context with fields, by their names; those that are 0 are left out."""
    found: dict[str, int] = {}
    for at, name in _places(layout).items():
        number = int.from_bytes(data[at : at + WORD], "little")
        if number:
            found[name] = number
    return found


def _places(layout: Context) -> dict[int, str]:
    """The names of words by their offsets: the first that a word has."""
    found: dict[int, str] = {}
    for one in layout.fields:
        for at in range(one.count if one.pointer is None and one.size == WORD else 0):
            found.setdefault(one.offset + at * WORD, one.name if one.count == 1 else f"{one.name}[{at}]")
    return found


def _named(layout: Context | None, regs: Mapping[str, int] | None, what: str) -> dict[str, int]:
    """Registers by the names that a script has for them."""
    if not regs:
        return {}
    if layout is None:
        raise UsageError(f"{what} is given no registers")
    found = {}
    for name, value in regs.items():
        one = layout.field(name)
        if one is not None and not isinstance(value, int):
            raise UsageError(f"{what}: register {name} takes a number, not {value!r:.40}")
        if one is None:
            raise UsageError(f"{what}: {name!r} is no register; they are "
                             f"{', '.join(one.name for one in layout.fields)}")  # fmt: skip
        found[one.name] = int(value) & (1 << 64) - 1
    return found


def _sample(given: Given, what: str) -> dict[str, int]:
    """A sample's fields: its period, an address, registers."""
    layout, found = CONTEXTS["bpf_perf_event_data"], {}
    if given.args:
        raise UsageError(f"{what} takes fields by name: sample_period, addr, regs={{'ip': …}}")
    for name, value in {**(given.named or {}), **{f"regs.{one}": to for one, to in (given.regs or {}).items()}}.items():
        one = layout.field(name)
        if one is None or not isinstance(value, int):
            raise UsageError(f"{what}: a sample has no {name!r} that could be {value!r:.40}; it has "
                             f"{', '.join(one.name for one in layout.fields)}")  # fmt: skip
        found[one.name] = int(value) & (1 << 64) - 1
    return found


def _usdt(own: Sequence[Argument], target: str, given: Given, memory: Memory, what: str) -> Made:
    """Registers, and what lies at them, in which the arguments of a USDT probe are these numbers."""
    try:
        operands = usdt.of_probe(target)
    except (LoadError, ValueError) as error:
        raise UsageError(f"{what}: {error}") from None
    names = [one.name for one in own] + [f"arg{at + 1}" for at in range(len(own), len(operands))]
    if len(given.args) > len(operands):
        raise UsageError(f"{what} has {len(operands)} arguments, not {len(given.args)}")
    found = dict(zip(names, given.args, strict=False)) | dict(given.named or {})
    at_offset, frames, fields = _places(CONTEXTS["pt_regs"]), dict[int, bytearray](), dict[str, int]()
    for name, one in zip(names, operands, strict=False):
        if name not in found:
            continue
        kind = own[names.index(name)].type if names.index(name) < len(own) else one.type
        part = _bytes(Argument(name, kind, 0, word=True), found[name], "user", memory, f"{what}: {name}")
        if not one.in_memory and one.base is not None and not one.plus:
            fields[at_offset[one.base]] = int.from_bytes(part, "little")
        elif one.in_memory and one.base is not None and one.index is None and -_FRAME <= one.plus < _FRAME - WORD:
            frame = frames.setdefault(one.base, bytearray(2 * _FRAME))
            frame[_FRAME + one.plus : _FRAME + one.plus + one.type.size] = part[: one.type.size]
        else:
            raise UsageError(f"{what}: {name} is where a script cannot put a value: in a constant, or at a place that "
                             f"two registers make")  # fmt: skip
    for base, frame in frames.items():
        block = memory.made("user", bytes(frame))
        fields[at_offset[base]] = memory.take(block) + _FRAME
    return Made(None, fields, frozenset(names))


__all__ = ["Given", "Made", "context", "registers", "words"]
