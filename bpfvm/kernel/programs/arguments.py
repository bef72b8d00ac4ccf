"""The arguments that a program declares, held against what the running kernel has at its place, before it is loaded.

A program that is loaded for a function or a tracepoint gets its arguments as words, and the kernel does not know what
the program takes them for: where they changed, it would read one struct as another, or nothing. What is declared:

    a function ____NAME in the object's BTF, of the context and the arguments: our compiler writes it of every program
    with arguments, and other compilers of BPF_PROG(NAME, …) where it stays a function
    what fields the instructions read behind an argument (`uses`)

A struct may be taken for one that it begins with, or that begins with it; a word for any pointer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.kernel.host.modules import Modules, Place
from bpfvm.kernel.host.names import RunningKernel
from bpfvm.kernel.programs.uses import uses
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Enum, Enum64, Func, FuncProto, Fwd, Int, Ptr, Struct, Type, Typedef, Union
from bpfvm.obj.btf.view import MAX_DEPTH, TypeView, essential_name
from bpfvm.obj.declared import DECLARED, FILLER, RETURN
from bpfvm.obj.model import CoreReloc, ProgramSpec
from bpfvm.tables.sections import Section

_WORD = 8
_RETURNS = ("trace_fexit", "modify_return", "lsm_mac", "lsm_cgroup")  # behind the arguments stands what it returns
_SPREAD = ("trace_fentry", "trace_fexit", "modify_return")  # a struct as an argument takes as many words as it has
_TYPEDEF = "btf_trace_"
_TRACED = ("__bpf_trace_", "__traceiter_")  # functions whose parameters have the names that a tracepoint's have not


@dataclass(frozen=True, slots=True)
class Prototype:
    """What the kernel has. what: "tracepoint block_rq_issue". params: name and type of each. words: the same of what
    each word of the context belongs to, or each register of arguments (in_registers: of a probe's context). returned:
    the type of what it returns, None where programs do not get it."""

    what: str
    types: TypeView
    params: tuple[tuple[str, int], ...]
    words: tuple[tuple[str, int], ...]
    returned: int | None = None
    in_registers: bool = False

    @property
    def text(self) -> str:
        """As C writes it."""
        return f"({', '.join(_named(self.types, kind, name) for name, kind in self.params) or 'void'})"


@dataclass(frozen=True, slots=True)
class Declared:
    """A word of the context as a program takes it. name: "" where only the instructions tell. type: in the object's
    BTF, 0 for any; is_struct: it is that of a struct, to which the word points."""

    name: str
    word: int
    type: int
    is_struct: bool = False
    slot: int = 0


def at(section: Section, place: Place, types: TypeView, modules: Modules) -> Prototype | None:
    """Of what a program of this section is loaded for. types: the kernel's; modules: gives those of its modules."""
    own = next((one for name, one in modules() if name == place.module), None) if place.module else types
    name = section.target.rpartition(":")[2]
    return None if own is None else prototype(own, place.id, name, section.attach_type)


def by_name(section: Section, kernel: RunningKernel) -> Prototype | None:
    """Of what a probe or a raw tracepoint is attached to, where the kernel's types have one of that name."""
    traced = section.program_type == "raw_tracepoint"
    if not traced and section.name.partition("/")[0].removeprefix("?") != "kprobe":
        return None
    try:
        types = kernel.types
        number = types.find(Typedef if traced else Func, f"{_TYPEDEF if traced else ''}{section.target}")
    except Unavailable:
        return None
    found = prototype(types, number, section.target, None) if number else None
    return replace(found, in_registers=not traced) if found is not None else None


def of_member(types: TypeView, table: Struct, member: int) -> Prototype | None:
    """Of a function that stands in a table of the kernel's."""
    one = table.members[member]
    return prototype(types, one.type, f"{table.name}.{one.name}", None)


def prototype(types: TypeView, number: int, name: str, attach_type: str | None) -> Prototype | None:
    """Of what a program is loaded for: type `number` of `types`, a function, a tracepoint's or a pointer to one."""
    one = types[number]
    traced = isinstance(one, Typedef)
    proto = _function(types, number)
    if proto is None:
        return None
    params = list(proto.params[1:] if traced else proto.params)
    if traced:
        whole = next((found for prefix in _TRACED if (found := types.find(Func, prefix + name))), None)
        known = _function(types, whole) if whole else None
        if known is not None and len(known.params) == len(proto.params):
            params = [(title, kind) for (title, _), (_, kind) in zip(known.params[1:], params, strict=True)]
    spread = attach_type in _SPREAD
    words = [param for param in params if param[1] for _ in range(_words(types, param[1]) if spread else 1)]
    returned = proto.returns if attach_type in _RETURNS else None
    what = f"{'tracepoint' if traced else 'function'} {name}"
    return Prototype(what, types, tuple(params), tuple(words), returned)


def check(
    program: ProgramSpec, btf: Btf | None, core: Sequence[CoreReloc], data: Mapping[str, bytes], there: Prototype
) -> None:  # fmt: skip
    """LoadError for an argument that the kernel has not, or has as something else. program: ready for this kernel;
    core: the relocations that it had. data: contents of maps that nobody writes."""
    if btf is None:
        return
    used = () if there.in_registers else _used(program, btf, core, data)
    for one in (*declared(btf, program.name), *used):
        wrong = _wrong(one, btf, there)
        if wrong:
            place = program.source_of(one.slot)
            where = f"{program.name}: {place}: " if place is not None else f"{program.name}: "
            raise LoadError(
                f"{where}this kernel has {there.what}{there.text}, and the program takes {wrong}; compile it for this "
                "kernel, or let it ask the kernel's types which of both there is"
            )


def declared(btf: Btf, program: str) -> Iterator[Declared]:
    """What the object's BTF declares of a program."""
    number = btf.find(Func, DECLARED + program)
    proto = _function(btf, number) if number else None
    for at, (name, kind) in enumerate(proto.params[1:] if proto is not None else ()):
        if kind and not FILLER.fullmatch(name):
            yield Declared(name, at, kind)


def _used(
    program: ProgramSpec, btf: Btf, core: Sequence[CoreReloc], data: Mapping[str, bytes]
) -> Iterator[Declared]:  # fmt: skip
    for one in uses(program, core, data):
        is_struct = bool(one.type) and isinstance(btf[one.type], Struct)
        yield Declared("", one.word, one.type if is_struct else 0, is_struct, one.slot)


def _wrong(one: Declared, btf: Btf, there: Prototype) -> str:
    """What an argument is taken for that it is not, "" for nothing."""
    count, place = len(there.words), f"argument {one.word + 1}"
    if one.word == count and there.returned is not None:
        return ""
    if one.name == RETURN and there.returned is not None:
        return f"{place} for what it returns"
    kind = btf.name_of(one.type)
    taken = f"`{_typed(f'{kind} *' if one.is_struct else kind, one.name)}`"
    if one.word >= count:
        return f"{place}" + (f" for {taken}" if one.type else "")
    title, theirs = there.words[one.word]
    others = [] if there.in_registers else [kind for name, kind in there.words if one.name and name == one.name]
    is_other = others and title and title != one.name and _fits(one, btf, there.types, others[0])
    return f"{place} for {taken}" if is_other or not _fits(one, btf, there.types, theirs) else ""


def _fits(one: Declared, btf: Btf, types: TypeView, kind: int) -> bool:
    """Whether the kernel's type can be what the program takes it for."""
    theirs = _stripped(types, kind)
    mine = _stripped(btf, one.type)
    if not one.type or theirs is None:
        return True
    pointed = mine if one.is_struct else _stripped(btf, mine.type) if isinstance(mine, Ptr) else None
    if not one.is_struct and not isinstance(mine, Ptr):
        return not (isinstance(theirs, Ptr) and isinstance(mine, Int | Enum | Enum64) and mine.size < _WORD)
    if isinstance(theirs, Int | Enum | Enum64):
        return theirs.size == _WORD
    if not isinstance(theirs, Ptr) or not isinstance(pointed, Struct | Fwd) or not pointed.name:
        return True
    found = _stripped(types, theirs.type)
    if not isinstance(found, Struct | Fwd) or not found.name:
        return True
    wanted = essential_name(pointed.name)
    own = types.find(Struct, wanted)
    if own is None:
        return found.name == wanted or types.find(Fwd, wanted) is None
    return found.name in _beginnings(types, own) or wanted in _beginnings(types, types.strip(theirs.type))


def _beginnings(types: TypeView, number: int) -> Iterator[str]:
    """The names of a struct and of those that stand at its very beginning."""
    waiting = [number]
    while waiting:
        one = _stripped(types, waiting.pop())
        if isinstance(one, Struct | Union):
            waiting += [member.type for member in one.members if not member.offset]
        if isinstance(one, Struct | Fwd):
            yield one.name


def _function(types: TypeView, number: int) -> FuncProto | None:
    """The prototype of a function, of a pointer to one, or of a name of such."""
    for _ in range(MAX_DEPTH):
        number = types.strip(number)
        one = types[number] if number else None
        if isinstance(one, FuncProto):
            return one
        if not isinstance(one, Func | Ptr):
            return None
        number = one.type
    return None


def _stripped(types: TypeView, number: int) -> Type | None:
    number = types.strip(number)
    return types[number] if number else None


def _words(types: TypeView, kind: int) -> int:
    try:
        return max(-(-types.size_of(kind) // _WORD), 1)
    except LoadError:
        return 1


def _named(types: TypeView, kind: int, name: str) -> str:
    return _typed(types.name_of(kind), name)


def _typed(kind: str, name: str) -> str:
    return f"{kind}{'' if kind.endswith('*') or not name else ' '}{name}"


__all__ = ["Declared", "Prototype", "at", "by_name", "check", "declared", "of_member", "prototype"]
