"""Functions of the IR: blocks of values, each closed by a terminator; block parameters stand where phis would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bpfvm.compiler.ir.types import Value
from bpfvm.core.machine import Location
from bpfvm.lang.types.layout import Layout
from bpfvm.obj.model import FaultSite, MapSpec
from bpfvm.tables.maps import FLAGS


@dataclass(slots=True, eq=False)
class Block:
    """A run of values with one way in at its top. `terminator` is None only while the block is built."""

    id: int
    params: list[Value] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    terminator: Terminator | None = None

    def __repr__(self) -> str:
        return f"b{self.id}"


@dataclass(slots=True, eq=False)
class Goto:
    """Go to `block`; `args` become its parameters."""

    block: Block
    args: list[Value] = field(default_factory=list)
    span: Location | None = None


@dataclass(slots=True, eq=False)
class Branch:
    """Go to `then` if `cond` (a name of ir.ops.CONDITIONS) holds for a and b, else to `other`."""

    cond: str
    a: Value
    b: Value
    then: Block
    other: Block
    then_args: list[Value] = field(default_factory=list)
    other_args: list[Value] = field(default_factory=list)
    span: Location | None = None


@dataclass(slots=True, eq=False)
class Return:
    """End the program; `value` is r0."""

    value: Value
    span: Location | None = None


@dataclass(slots=True, eq=False)
class FaultExit:
    """End the program by a fault. site: an index of Function.fault_sites, or NOTED for the fault that a subprogram has
    ended by. In a subprogram it returns, and its caller's own test of the status goes on from there."""

    site: int
    span: Location | None = None


@dataclass(slots=True, eq=False)
class MayGoto:
    """Go on at `block` while the kernel's loop budget lasts, else go to `spent`."""

    block: Block
    spent: Block
    args: list[Value] = field(default_factory=list)
    spent_args: list[Value] = field(default_factory=list)
    span: Location | None = None


Terminator: TypeAlias = Goto | Branch | MayGoto | Return | FaultExit


NOTED = -1


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter as debug information tells of it. type: one of lang.types.scalars, int or bool; None for the
    hidden ones, the context and the status. pointer_to: the name of the struct or array whose address it is."""

    name: str
    type: Any = None
    pointer_to: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """An object on the stack. size, align: bytes; align is a power of two up to 8. source: where it is made."""

    name: str
    size: int
    align: int = 8
    source: Location | None = None


@dataclass(frozen=True, slots=True)
class CoreAccess:
    """What an instruction asks of the kernel's types. kind: of bpfvm.obj.btf.ext.CORE_KINDS. struct: the name of a
    struct. path: names of fields from it on, each in the one before. root: the struct's type, where it is known (a
    lang.types.kernel.KernelStruct)."""

    kind: str
    struct: str
    path: tuple[str, ...]
    root: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}:{self.struct}:{'.'.join(self.path)}"

    @classmethod
    def parse(cls, text: str) -> CoreAccess:
        """The access that str() gives, without its type."""
        kind, struct, path = text.split(":")
        return cls(kind, struct, tuple(path.split(".")))


def constants_map(name: str, data: bytes) -> MapSpec:
    """The data section `name` with the constants of one program: a map of one value, which programs may only read."""
    flags = FLAGS["rdonly_prog"] | FLAGS["mmapable"]
    return MapSpec(name, "array", 4, len(data), 1, flags, initial=data, hidden=True, section=name)


@dataclass(slots=True, eq=False)
class Function:
    """One program, or a subprogram. type, section: of its hook. The first block is the entry; a program's has no
    parameters, those of a subprogram are its arguments.

    on_fault: what the program gives after a fault: r0, or, where `result_offset` is not None, the u64 at that offset of
    the context (r0 is then 0).
    params: of a subprogram those of its entry; of a function of scalars those in its context, the result first. result:
    what a subprogram returns. has_status: a subprogram can end by a fault, and its last parameter is the address of a
    word that it then sets. is_later: a timer calls it when the program has ended, and a fault ends it alone. is_global:
    it is verified by itself. faults_alike: it is not noted which fault ended a run.
    arguments: what a program takes the words of its context for, by word: name and type of each.
    copies: further programs with this code, by name, each with its section: of further targets of the hook.
    maps: what the function's map operations name. slots: its stack objects. layouts: types of objects, for
    BTF. callees: what its calls name, and what
    those call in turn: one dict for a program and all its subprograms. core: what its CO-RE operations name.
    """

    name: str
    type: str
    section: str
    on_fault: int
    blocks: list[Block] = field(default_factory=list)
    maps: dict[str, MapSpec] = field(default_factory=dict)
    fault_sites: list[FaultSite] = field(default_factory=list)
    result_offset: int | None = None
    source: Location | None = None
    slots: list[Slot] = field(default_factory=list)
    layouts: dict[Layout, None] = field(default_factory=dict)
    callees: dict[str, Function] = field(default_factory=dict)
    core: dict[str, CoreAccess] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    arguments: dict[int, tuple[str, Any]] = field(default_factory=dict)
    is_subprogram: bool = False
    params: tuple[Param, ...] = ()
    result: Any = None
    has_status: bool = False
    is_later: bool = False
    is_global: bool = False
    faults_alike: bool = False

    def values(self) -> Iterator[Value]:
        """Every value that an operation computes, block by block."""
        for block in self.blocks:
            yield from block.values


def edges(terminator: Terminator | None) -> list[tuple[Block, list[Value]]]:
    """Where control may go, with the arguments that go along."""
    if isinstance(terminator, Goto):
        return [(terminator.block, terminator.args)]
    if isinstance(terminator, Branch):
        return [(terminator.then, terminator.then_args), (terminator.other, terminator.other_args)]
    if isinstance(terminator, MayGoto):
        return [(terminator.block, terminator.args), (terminator.spent, terminator.spent_args)]
    return []


def retarget(terminator: Terminator | None, at: int, block: Block) -> None:
    """Let edge `at` of `edges` go to another block."""
    match terminator, at:
        case Goto(), 0:
            terminator.block = block
        case MayGoto(), 0:
            terminator.block = block
        case MayGoto(), 1:
            terminator.spent = block
        case Branch(), 0:
            terminator.then = block
        case Branch(), 1:
            terminator.other = block
        case _:
            raise ValueError(f"{terminator} has no edge {at}")


def operands(terminator: Terminator | None) -> list[Value]:
    """Every value that a terminator reads, block arguments included."""
    read = [value for _, args in edges(terminator) for value in args]
    if isinstance(terminator, Branch):
        read += [terminator.a, terminator.b]
    if isinstance(terminator, Return):
        read.append(terminator.value)
    return read


def latest(new: dict[Value, Value], value: Value) -> Value:
    """What stands for `value` at the end of a chain of replacements, which becomes shorter by that."""
    last = value
    while last in new:
        last = new[last]
    while value in new:
        new[value], value = last, new[value]
    return last


def substitute(function: Function, new: Mapping[Value, Value]) -> None:
    """Put the values of `new` in place of its keys, wherever those stand, and take the keys out."""
    for block in function.blocks:
        block.values = [value for value in block.values if value not in new]
        for value in block.values:
            value.args = [new.get(arg, arg) for arg in value.args]
        replace_operands(block.terminator, new)


def replace_operands(terminator: Terminator | None, new: Mapping[Value, Value]) -> None:
    """Put `new` values in place of old ones, in the terminator itself."""
    for _, args in edges(terminator):
        args[:] = [new.get(value, value) for value in args]
    if isinstance(terminator, Branch):
        terminator.a, terminator.b = new.get(terminator.a, terminator.a), new.get(terminator.b, terminator.b)
    if isinstance(terminator, Return):
        terminator.value = new.get(terminator.value, terminator.value)
