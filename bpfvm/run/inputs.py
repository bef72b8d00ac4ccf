"""What a machine is given of what users give a program: a packet, arguments, a context, an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.lang.functions.signature import Signature, argument_offset
from bpfvm.lang.hooks import Hook
from bpfvm.lang.types.layout import Layout, View, size_of
from bpfvm.lang.types.pointers import Pointer
from bpfvm.obj.model import ObjectSpec
from bpfvm.tables.progs import ProgramType

if TYPE_CHECKING:
    from bpfvm.lang.contexts.arguments import Arguments
    from bpfvm.lang.traced.task import Task

Numbers = Mapping[str, int]  # fields of a context, or registers, by name
Memory = Mapping[int, bytes]  # by address
Args = Mapping[str, Any] | Sequence[Any]  # arguments of what a program traces


class Takes(Protocol):
    """What of a program says what it takes; see `bpfvm.program.Program`."""

    name: str
    type: ProgramType
    hook: Hook | None

    @property
    def object(self) -> ObjectSpec:
        """What it is compiled to."""

    @property
    def signature(self) -> Signature | None:
        """Of a function of scalars."""

    @property
    def arguments(self) -> Arguments | None:
        """What the parameters of one that traces stand for."""


def input_of(
    program: Takes, given: tuple[Any, ...], ctx: Numbers | None, regs: Numbers | None, memory: Memory | None,
    args: Args | None, ret: Any, task: Task | None,
) -> Input:  # fmt: skip
    """See `bpfvm.program.Program.input`."""
    if not isinstance(ctx, Mapping | None):
        raise UsageError(f"{program.name}: ctx={ctx!r:.80}: the context's fields are given as {{name: number}}")
    more = by_address(program.name, memory) if memory else {}
    plain = program.type.layer is not None or all(isinstance(one, int | Pointer) for one in given)
    if args is not None or ret is not None or task is not None or not plain:
        return _event(program, given, ctx or {}, args, ret, regs or {}, more, task)
    made = _input(program, given, {**(ctx or {}), **_registers(program, regs or {})})
    return replace(made, memory=more) if more else made


def _event(
    program: Takes, given: tuple[Any, ...], ctx: Numbers, args: Args | None, ret: Any, regs: Numbers,
    memory: Mapping[int, bytes], task: Task | None,
) -> Input:  # fmt: skip
    """The input of an event that the program traces, or of another program with a task, or with texts."""
    from bpfvm.lang.traced import events, sites
    from bpfvm.lang.traced.memory import Memory as Laid

    laid = Laid()
    if program.signature is not None and args is None and ret is None:
        numbers = events.numbers(program.signature, given, laid, program.name)
        made = _input(program, numbers, {**ctx, **_registers(program, regs)})
        return replace(made, task=events.told(task, laid), memory=laid.now(memory))
    section = program.object.programs[program.name].section if program.hook is None else ""
    site = sites.known(program.hook, section)
    params = program.arguments.params if program.arguments is not None else ()
    has_bytes = len(given) == 1 and isinstance(given[0], bytes | bytearray | View)
    whole = len(params) != 1 or isinstance(params[0].type, Layout)  # a context as bytes
    if site is None or (has_bytes and whole and args is None and ret is None):
        if args is not None or ret is not None:
            is_one = f"{program.name} is {an(program.type.name)} program"
            raise UsageError(f"{is_one}: args and ret are of programs that trace")
        made = _input(program, given, {**ctx, **_registers(program, regs)})
        return replace(made, task=events.told(task, laid), memory=laid.now(memory))
    made = events.called(site, program.arguments, given, args, ret, regs, memory, task, program.name)
    return replace(made, fields={**made.fields, **ctx})


def _registers(program: Takes, regs: Numbers) -> dict[str, int]:
    """Registers by the names that the context has for them. UsageError for what is none."""
    from bpfvm.tables.ctx import CONTEXTS

    if not regs:
        return {}
    if program.type.context != "pt_regs":
        raise UsageError(f"{program.name} is {an(program.type.name)} program: it sees no registers")
    layout, found = CONTEXTS["pt_regs"], {}
    for name, value in regs.items():
        known = layout.field(name)
        if known is None:
            names = ", ".join(one.name for one in layout.fields)
            raise UsageError(f"{program.name}: {name!r} is no register; they are {names}")
        if not isinstance(value, int):
            raise UsageError(f"{program.name}: register {name} takes a number, not {value!r:.40}")
        found[known.name] = int(value) & (1 << 64) - 1
    return found


def struct_of(program: Takes) -> Any:
    """The struct that lies in the context of a program that runs by BPF_PROG_RUN alone, None for others."""
    known = program.arguments if program.type.name == "syscall" else None
    return next((one.type for one in known.params if one.writable), None) if known is not None else None


def _declared(program: Takes, given: tuple[Any, ...], fields: Numbers) -> Input | None:
    """The input in which the parameters are these numbers; None where it is given otherwise."""
    known = program.arguments
    if known is None or known.problems or any(not isinstance(one, int | Pointer) for one in given):
        return None
    if any(one.operand is not None for one in known.params):
        return None
    if given and len(given) != len(known.params):
        wanted = ", ".join(one.name for one in known.params)
        raise UsageError(f"{program.name} takes ({wanted}), got {len(given)} arguments")
    numbers = [one._address if isinstance(one, Pointer) else int(one) for one in given or (0,) * len(known.params)]
    if program.type.context is None:
        if any(isinstance(one.type, Layout) for one in known.params) and given:
            return None
        return Input(ctx=known.context(numbers), fields=fields)
    from bpfvm.lang.traced.contexts import words
    from bpfvm.tables.ctx import CONTEXTS

    return Input(fields={**words(CONTEXTS[program.type.context], known.context(numbers)), **fields})


def _input(program: Takes, given: tuple[Any, ...], ctx: Numbers) -> Input:
    if program.signature is not None:
        return Input(ctx=_arguments(program.name, program.signature, given), fields=ctx)
    if program.type.layer is None:
        return _declared(program, given, ctx) or _context(program, given, ctx)
    if len(given) != 1:
        raise UsageError(f"{program.name} takes one packet, got {len(given)} arguments")
    return Input(packet=_bytes(program, given[0], "a packet"), fields=ctx)


def _bytes(program: Takes, given: Any, what: str) -> bytes:
    try:
        if not isinstance(given, int | PurePath):  # bytes() of a path are its name
            return bytes(given)
    except (TypeError, ValueError):  # ValueError: a list with a number above 255
        pass
    raise UsageError(f"{program.name} takes {what}, something that bytes() accepts, not {given!r}")


def _context(program: Takes, given: tuple[Any, ...], fields: Mapping[str, int]) -> Input:
    """The input of a program without a packet of headers: fields of its context, or the bytes of a plain one; or
    what a socket's message holds."""
    from bpfvm.tables.ctx import CONTEXTS

    if not given:
        return Input(fields=fields)
    layout = CONTEXTS[program.type.context] if program.type.context else None
    has_data = layout is not None and any(one.pointer == "packet" for one in layout.fields)
    if len(given) > 1 or (layout is not None and not has_data):
        wanted = "one context as bytes" if layout is None else f"fields of {layout.name}, ctx={{name: value}}"
        raise UsageError(f"{program.name} takes {wanted}, and got {len(given)} arguments")
    data = _bytes(program, given[0], "a context" if layout is None else "data")
    whole = struct_of(program) if layout is None else None
    if whole is not None and len(data) < size_of(whole):
        wanted = f"{whole.__name__}, {octets(size_of(whole))}"
        raise UsageError(f"{program.name} takes {wanted}: bytes({whole.__name__}(...)), not {octets(len(data))}")
    return Input(ctx=data, fields=fields) if layout is None else Input(packet=data, fields=fields)


def _arguments(name: str, signed: Signature, given: tuple[Any, ...]) -> bytes:
    if len(given) != len(signed.params):
        wanted = ", ".join(f"{param}: {scalar.annotation.__name__}" for param, scalar in signed.params)
        raise UsageError(f"{name} takes ({wanted}), got {len(given)} arguments")
    context = bytearray(signed.context_size)
    for index, ((param, scalar), value) in enumerate(zip(signed.params, given, strict=True)):
        if not isinstance(value, int):
            raise UsageError(f"{name}: {param} takes an integer, not {value!r}")
        at, word = argument_offset(index), scalar.word(value)
        if scalar.limits is not None and scalar.value(word) not in scalar.limits:
            raise UsageError(f"{name}: {param} is declared to lie in {scalar.limits}, and {value} does not")
        context[at : at + 8] = word.to_bytes(8, "little")
    return bytes(context)


def by_address(name: str, given: Memory) -> dict[int, bytes]:
    """Memory by address. UsageError for what is none."""
    found = {}
    for address, data in given.items():
        if not isinstance(address, int) or not 0 <= address < 1 << 64 or isinstance(data, int):
            raise UsageError(f"{name}: memory is given as {{address: bytes}}, not {address!r}: {data!r:.40}")
        try:
            found[address] = bytes(data)
        except TypeError:
            raise UsageError(f"{name}: memory at {address:#x} is bytes, not {data!r:.40}") from None
    return found
