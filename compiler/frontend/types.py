"""What an expression can be while it is compiled: numbers in registers, and things known at compile time only."""

from __future__ import annotations

import ast
import enum
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeAlias

from bpfvm.compiler.ir.types import Value as Register
from bpfvm.core.articles import an
from bpfvm.core.span import Span
from bpfvm.lang.maps import Map, timers
from bpfvm.lang.packets.headers import META, ROOTS, Header
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.interval import S64, U64, Interval, add
from bpfvm.lang.types.layout import Layout
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, s64, u64
from bpfvm.tables.ctx import CtxField

DiagKey: TypeAlias = tuple[str, str, Span]  # of an error or a warning: code, message and place


class Kind(enum.Enum):
    """The Python class of a number. Which one it is decides whether results wrap."""

    INT = "int"
    BOOL = "bool"
    ENUM = "enum member"  # an IntEnum's: as an operand it acts as int does
    FLAG = "flag"  # an IntFlag's: `& | ^ ~` are its own
    U64 = "u64"
    S64 = "s64"

    wraps: Interval | None  # the range to which results wrap, None for kinds whose results are exact

    def __init__(self, text: str) -> None:
        self.wraps = {"u64": U64, "s64": S64}.get(text)

    __hash__ = object.__hash__  # which is asked for often


Kinds: TypeAlias = frozenset[Kind]

INT, BOOLEAN = frozenset({Kind.INT}), frozenset({Kind.BOOL})
MODULAR: dict[Storage, Kind] = {u64: Kind.U64, s64: Kind.S64}

_origins = count()


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """An integer. kinds: the classes that it may have in CPython, more than one after a join of branches.

    range:    holds the exact value. Where it does not fit a register the value is known modulo 2**64 only.
    register: the value mod 2**64; None for a constant that no instruction has made yet.
    origin:   equal for two Numbers that are one value: what a test says of one then holds for the other.
    drift:    for numbers at the heads of the loops around, by their origin: the value is that number plus so much.
    member:   the enum member that a constant is, where it is one.
    foreign:  it was read through a pointer, or is an argument: a number of C's, whose sign is that of its type there.
    """

    kinds: Kinds
    range: Interval
    register: Register | None = None
    origin: int = field(default_factory=_origins.__next__)
    drift: Mapping[int, Interval] = field(default_factory=dict)
    member: enum.Enum | None = None
    foreign: bool = False

    @property
    def constant(self) -> int | None:
        """The value, where it is known."""
        return self.range.constant

    def within(self, known: Interval | None) -> Number:
        """The same value with what is known of it besides."""
        both = self.range.meet(known) if known is not None else None
        if both is None or both == self.range:
            return self
        return Number(self.kinds, both, self.register, self.origin, self.drift, self.member, self.foreign)

    def as_kinds(self, kinds: Kinds) -> Number:
        """The same value as another class of number."""
        return self if kinds == self.kinds else replace(self, kinds=kinds, member=None)

    @property
    def described(self) -> str:
        """For messages: `int`, `u64`, `int or u64`."""
        return kind_names(self.kinds)


@dataclass(frozen=True, slots=True)
class Nothing:
    """The value None."""

    described = "None"


@dataclass(frozen=True, slots=True)
class Maybe:
    """A number or None, or a pointer or None. there: a bool, whether it is one. number: which, where it is one.

    pointer: of a pointer, all but its `number`.
    """

    there: Number
    number: Number
    pointer: Pointer | None = None

    def found(self, number: Number) -> Number | Pointer:
        """What it is where it is not None. number: `number` with what is known of it."""
        return number if self.pointer is None else replace(self.pointer, number=number)

    @property
    def described(self) -> str:
        return f"{self.found(self.number).described} or None"


@dataclass(frozen=True, slots=True)
class View:
    """A header, or bytes, in the packet: `base` bytes from its start, and `moved` more that are known in a run only."""

    header: Header
    base: int
    moved: Number | None = None

    @property
    def described(self) -> str:
        if self.header is META:
            return "the metadata before the packet"
        return "the packet" if self.header.name in ROOTS.values() else f"a packet view of `{self.header.name}`"

    @property
    def place(self) -> Number:
        """How far it is from the packet's start; the register, where there is one, is that of `moved`."""
        if self.moved is None or not self.base:
            return self.moved or constant(self.base)
        by = Interval(self.base, self.base)
        drift = {self.moved.origin: by} | {origin: add(one, by) for origin, one in self.moved.drift.items()}
        return Number(INT, add(self.moved.range, by), self.moved.register, drift=drift)


@dataclass(frozen=True, slots=True)
class ContextValue:
    """The program's context: its first parameter. inside: the part of it, such as "regs." of a perf event's."""

    inside: str = ""

    @property
    def described(self) -> str:
        return f"`{self.inside[:-1]}` of the program's context" if self.inside else "the program's context"


@dataclass(frozen=True, slots=True)
class ContextArray:
    """A field of the context that is an array, such as `skb.cb`."""

    field: CtxField

    @property
    def described(self) -> str:
        return f"the array `{self.field.name}` of the program's context"


@dataclass(frozen=True, slots=True)
class MapValue:
    """A declared map, under the name by which machines know it. register: of a map that was found in another one."""

    name: str
    declared: Map
    register: Register | None = None

    @property
    def described(self) -> str:
        return f"the map `{self.name}`"

    @property
    def timed(self) -> MapValue | None:
        """Itself, where its values have timers: a Reference's `home`."""
        return self if timers.count(self.declared.value) else None


@dataclass(frozen=True, slots=True)
class Entries:
    """What `m.items()` or `m.values()` gives of a map. keyed: with the keys."""

    map: MapValue
    keyed: bool

    @property
    def described(self) -> str:
        return f"the entries of `{self.map.name}`"


@dataclass(frozen=True, slots=True)
class Reference:
    """A struct or an array in memory, at `offset` bytes from the address `base`.

    space: a name of ir.types.SPACES. align: what `base` is a multiple of. objects: the stack objects in which it may
    lie, or, in the space "mem", by whose dynptr it was reached. fixed: it can only be read. shared: other CPUs may
    store there at the same time. varies: at the head of a loop, it may be another one on each turn. home: the map in
    whose value it lies, where that has a timer. replaced: what it is, where that was stored to since it was named.
    """

    type: Layout
    space: str
    base: Register
    offset: int = 0
    align: int = 8
    objects: frozenset[int] = frozenset()
    fixed: bool = False
    shared: bool = False
    varies: bool = False
    home: MapValue | None = None
    replaced: str = field(default="", compare=False)

    @property
    def described(self) -> str:
        name = self.type.__name__
        return f"an array {name}" if isinstance(self.type, ArrayType) else f"a struct {name}"

    def part(self, kind: Any, offset: int) -> Reference:
        """What lies `offset` bytes further."""
        return replace(self, type=kind, offset=self.offset + offset)


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value in memory, or None: the address is 0 where there is none.

    at: the value, where there is one; its address is that of `base`. origin: equal for what is one value, as a
    Number's: what a test says of one then holds for the other. map: the map that it is, where it is one.
    """

    at: Reference
    origin: int = field(default_factory=_origins.__next__, compare=False)
    map: MapValue | None = None

    @property
    def there(self) -> Reference | MapValue:
        """What it is where it is not None."""
        return self.map or self.at

    @property
    def described(self) -> str:
        return f"{self.there.described} or None"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer into memory that the program does not load from, or a place there.

    kind: the type of pointers to what is there. number: an address, and from there to the place: `path`, names of
    fields from the kernel's struct `root` on, `offset` bytes as its types here say; and `beyond` bytes more.
    trusted: the kernel's verifier knows the type of what it points to, so that it takes loads.
    """

    kind: PointerType
    number: Number
    root: Any = None
    path: tuple[str, ...] = ()
    offset: int = 0
    beyond: int = 0
    trusted: bool = False

    @property
    def place(self) -> tuple[object, ...]:
        """All but the address: what pointers that meet have in common."""
        return self.kind, self.root, self.path, self.offset, self.beyond

    @property
    def described(self) -> str:
        return an(self.kind.__name__)


@dataclass(frozen=True, slots=True)
class Dynptr:
    """A dynptr at `base`: on the stack, or of what a helper passes. reserved: of a record, which is submitted or
    discarded. object: a Reference's `objects`, of its memory. depth: of loops that helpers make around what a helper
    passes, the last of which may name it: no verifier knows it on the stack."""

    base: Register
    reserved: bool
    object: int
    depth: int | None = None

    described = "a dynptr"


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of a struct or an array, before it is called: a function, or the name of one that all have."""

    owner: Reference
    function: Any

    @property
    def described(self) -> str:
        return f"the method `{getattr(self.function, '__name__', self.function)}`"


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple of known length: its items stand in registers of their own."""

    items: tuple[Value, ...]

    @property
    def described(self) -> str:
        return f"a tuple of {len(self.items)}"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `start` on, `step` apart, up to `stop`, which is not one of them."""

    start: Number
    stop: Number
    step: int

    described = "a range"


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a number, such as `x.bit_length`, before it is called."""

    owner: Number
    name: str

    @property
    def described(self) -> str:
        return f"the method `{self.name}` of {self.owner.described}"


@dataclass(frozen=True, slots=True, eq=False)
class Callee:
    """Something of ours before it is called: `m.get`, `ktime`. call: a calls.Handler; lazy: gets the call before its
    arguments are evaluated, and what evaluates them."""

    name: str
    call: Callable[..., Any]
    lazy: bool = False

    @property
    def described(self) -> str:
        return f"`{self.name}`, which is to be called"


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """A Python object known at compile time that is no number: a module, a class, a function, a text. One object is
    equal to itself, and a text to the same text."""

    object: Any

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Static):
            return NotImplemented
        mine, theirs = self.object, other.object
        return mine is theirs or (type(mine) is type(theirs) and isinstance(mine, str | bytes) and mine == theirs)

    def __hash__(self) -> int:
        return hash(self.object) if isinstance(self.object, str | bytes) else id(self.object)

    @property
    def described(self) -> str:
        if isinstance(self.object, types.ModuleType):
            return f"the module `{self.object.__name__}`"
        if isinstance(self.object, type):
            return f"the type `{self.object.__name__}`"
        if isinstance(self.object, types.FunctionType | types.BuiltinFunctionType):
            return f"the function `{self.object.__name__}`"
        if isinstance(self.object, str | bytes | float | complex):
            return f"the {type(self.object).__name__} {self.object!r:.40}"
        return f"an object of type {type(self.object).__name__}"

    @property
    def truth(self) -> bool | None:
        """What bool() gives, None for objects that may answer anything."""
        try:
            return bool(self.object)
        except Exception:  # the object's own __bool__ or __len__
            return None


@dataclass(frozen=True, slots=True)
class Bad:
    """An expression that has had its error. Whatever is made of it is Bad too, and silent."""

    described = "an error"


@dataclass(frozen=True, slots=True)
class Inner:
    """A function that is written inside of another one, or a lambda. node: its text. frame: the function around it."""

    node: ast.FunctionDef | ast.Lambda
    frame: Any = field(compare=False)

    @property
    def described(self) -> str:
        return "a lambda" if isinstance(self.node, ast.Lambda) else f"the function `{self.node.name}`"


Value: TypeAlias = (
    Number
    | Nothing
    | Maybe
    | View
    | ContextValue
    | ContextArray
    | MapValue
    | Entries
    | Reference
    | Nullable
    | Pointer
    | Dynptr
    | Bound
    | Tuple
    | Range
    | Method
    | Callee
    | Inner
    | Static
    | Bad
)


NOTHING, BAD = Nothing(), Bad()


def constant(value: int, kinds: Kinds = INT) -> Number:
    """A known number."""
    return Number(kinds, Interval(int(value), int(value)))


def kind_of(value: int) -> Kind:
    """The kind of a Python integer object."""
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, enum.Flag):
        return Kind.FLAG
    if isinstance(value, enum.Enum):
        return Kind.ENUM
    return MODULAR.get(type(value), Kind.INT)  # type: ignore[call-overload, no-any-return]


def kind_names(kinds: Iterable[Kind]) -> str:
    """`int or u64`, in one order always."""
    present = set(kinds)
    return " or ".join(kind.value for kind in Kind if kind in present)


def kinds_of(numbers: Iterable[Number]) -> Kinds:
    """The classes that any of the numbers may have."""
    return frozenset(kind for one in numbers for kind in one.kinds)


def placeholder(numbers: Sequence[Number]) -> Number:
    """What stands for the number where there is none: of the same kinds, in the same range."""
    first = numbers[0].range
    return constant(first.lo if first.exact else 0, kinds_of(numbers))


def placed(one: Reference | Nullable, base: Register) -> Reference | Nullable:
    """A value that may be another one on each way, at the address that stands for all of them."""
    if isinstance(one, Nullable):
        return Nullable(replace(one.at, base=base, offset=0, varies=False))
    return replace(one, base=base, offset=0, varies=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name was bound or declared, for notes."""

    name: str
    span: Span
