"""`@struct`: classes whose values lie in memory as C lays them out.

    @struct
    class Event:
        ts: u64
        port: be16 = 0
        comm: char[16] = b""

Fields stand in order, each at a multiple of its alignment; what is between them is zero. A field of an IntEnum is a
number. `struct(T)` makes one of a ctypes structure or of a dataclass whose annotations are storage types.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform, overload

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.convert import ctypes_members, defaults_of, is_ctypes
from bpfvm.lang.types.keys import reader
from bpfvm.lang.types.layout import (
    MOST_BYTES,
    Bits,
    Element,
    Layout,
    Own,
    View,
    align_of,
    image_of,
    leaves,
    size_of,
    stored_as,
    view,
)
from bpfvm.lang.types.memory import load, store
from bpfvm.lang.types.scalars import Storage

_T = TypeVar("_T")
_NAMES_ONE = "name a storage type (u8 to s64, be16 to be64, char), bool, an IntEnum, an array or a struct"
_GENERIC = ("__dict__", "__weakref__", "__annotations__", "__doc__", "__module__", "__qualname__")


@dataclass(frozen=True, slots=True)
class Member:
    """One field. offset: bytes from the struct's start. bits, shift: of a bit-field, its part of the stored number."""

    name: str
    offset: int
    type: Element
    bits: int = 0
    shift: int = 0

    @property
    def size(self) -> int:
        """Bytes that it is stored in."""
        return size_of(self.type)

    def part(self, stored: int) -> int:
        """A bit-field's value in the number that is stored."""
        number = stored >> self.shift & ((1 << self.bits) - 1)
        signed = isinstance(self.type, Storage) and self.type.is_signed and number >> (self.bits - 1)
        return number - (1 << self.bits) if signed else number

    def put(self, stored: int, value: int) -> int:
        """`stored` with a bit-field's value changed."""
        whole = (1 << self.bits) - 1
        return stored & ~(whole << self.shift) | (int(value) & whole) << self.shift

    def __get__(self, owner: Any, cls: Any = None) -> Any:
        if owner is None:
            return self
        memory, at, fixed = owner._bpf
        found = load(self.type, memory, at + self.offset, fixed)
        return self.part(int(found)) if self.bits else found

    def __set__(self, owner: Any, value: Any) -> None:
        memory, at, fixed = owner._bpf
        if fixed:
            raise TypeError(f"field {self.name} lies in memory that can only be read")
        if self.bits:
            assert isinstance(self.type, Storage), "bits are those of numbers"
            if not isinstance(value, int):
                raise TypeError(f"field {self.name} takes an integer, not {type(value).__name__}")
            stored = load(self.type, memory, at + self.offset, fixed)
            value = self.put(int(stored), value)
        store(self.type, memory, at + self.offset, value)


class StructType(Layout):
    """The class of structs. __members__: the fields by name, in order."""

    __members__: Mapping[str, Member]

    def __parts__(cls) -> Iterator[tuple[int, Element]]:
        """Offset and type of each field; the fields of one unit of bits share an offset."""
        return ((one.offset, one.type) for one in cls.__members__.values())

    def __repr__(cls) -> str:
        return cls.__name__


class StructView(View):
    """A value of a struct. As a key of a dict it is its present contents: it must not change while it is one."""

    __slots__ = ()

    def __init__(self, *given: Any, **fields: Any) -> None:
        kind: Any = type(self)
        if given:
            names = ", ".join(f"{name}=..." for name in kind.__members__)
            raise TypeError(f"{kind.__name__} takes its fields by name: {kind.__name__}({names})")
        object.__setattr__(self, "_bpf", (bytearray(kind.__image__), 0, False))
        for name, value in fields.items():
            if name not in kind.__members__:
                raise TypeError(f"{kind.__name__} has no field {name!r}; it has {', '.join(kind.__members__)}")
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            if isinstance(other, type(self)):  # an event, which compares itself
                return NotImplemented
            if isinstance(other, Mapping):  # as an outcome's maps show structs
                names = type(self).__members__  # type: ignore[attr-defined]
                return other.keys() == names.keys() and all(_alike(getattr(self, one), other[one]) for one in names)
            raise TypeError(f"{type(self).__name__} is compared with {type(other).__name__}")
        mine, theirs = bytes(self), bytes(other)
        return all(mine[at : at + size] == theirs[at : at + size] for at, size in runs(type(self)))

    def __hash__(self) -> int:
        memory, at, _ = self._bpf
        kind: Any = type(self)
        return hash(reader(kind)(memory, at))

    def __repr__(self) -> str:
        kind: Any = type(self)
        return f"{kind.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in kind.__members__)})"


def _alike(field: Any, shown: Any) -> bool:
    """Whether a field holds what an outcome's maps show of it: a list, in keys a tuple, of an array; a number of a
    pointer."""
    if hasattr(type(field), "__space__") and isinstance(shown, int):
        return bool(field._address == shown)
    if isinstance(shown, list | tuple) and hasattr(field, "__iter__"):
        return len(field) == len(shown) and all(map(_alike, field, shown))
    return bool(field == shown)


def runs(kind: Any) -> Iterator[tuple[int, int]]:
    """First byte and size of each part of a value without padding."""
    start = end = 0
    for at, storage in leaves(kind):
        if at > end:
            yield start, end - start
            start = at
        end = max(end, at + storage.size)
    yield start, end - start


@overload
def struct(cls: type[_T]) -> type[_T]: ...
@overload
def struct(*, packed: bool = False) -> Callable[[type[_T]], type[_T]]: ...


@dataclass_transform(kw_only_default=True)
def struct(cls: type | None = None, *, packed: bool = False) -> Any:
    """Make a struct of a class with annotations, a ctypes structure or a dataclass. packed: without padding.

    UsageError for a field that has no storage type.
    """
    frame = sys._getframe(1)
    around = {**frame.f_globals, **frame.f_locals}
    if cls is None:
        return lambda found: _struct(found, packed, around)
    return _struct(cls, packed, around)


def _struct(cls: type, packed: bool, around: Mapping[str, Any]) -> Any:
    own = Own(cls.__name__)
    if is_ctypes(cls):
        placed, size, align = ctypes_members(cls, struct)
        members = [Member(*one) for one in placed]
        defaults: Mapping[str, Any] = {}
    else:
        members, size, align = _placed(cls.__name__, _annotations(cls, {**around, cls.__name__: own}), packed)
        defaults = defaults_of(cls, [one.name for one in members])
    if not 0 < size <= MOST_BYTES:
        raise UsageError(f"struct {cls.__name__} has {octets(size)}; a struct has 1 to {MOST_BYTES}")
    made = _made(cls, {one.name: one for one in members}, defaults, (size, align))
    own.made(made)
    return made


def _made(cls: type, members: Mapping[str, Member], defaults: Mapping[str, Any], shape: tuple[int, int]) -> Any:
    """The struct, with the methods of `cls`."""
    own: dict[str, Any] = {}
    for one in reversed([base for base in cls.__mro__ if base not in (object, View) and not _is_of_ctypes(base)]):
        own |= {name: found for name, found in vars(one).items() if _is_method(one, name, found)}
    if "__init__" in own:
        raise UsageError(f"struct {cls.__name__}: its fields are given by name, it has no __init__ of its own")
    names = {
        **own, **members, "__slots__": (), "__members__": members, "__match_args__": tuple(members),
        "__size__": shape[0], "__align__": shape[1], "__image__": bytes(shape[0]), "__doc__": cls.__doc__,
        "__module__": cls.__module__, "__qualname__": cls.__qualname__,
    }  # fmt: skip
    made = StructType(cls.__name__, (StructView,), names)
    made.__annotations__ = inspect.get_annotations(cls)
    image = bytearray(_image(members, shape[0]))
    for name, value in defaults.items():
        try:
            setattr(view(made, image), name, value)
        except TypeError as error:
            raise UsageError(f"struct {cls.__name__}: the default of {name}: {error}") from None
    made.__image__ = bytes(image)
    return made


def of_members(name: str, members: Iterable[Member]) -> StructType:
    """A struct that is told member by member, of something that is laid out already."""
    found = {one.name: one for one in members}
    size = max(one.offset + one.size for one in found.values())
    made: StructType = _made(type(name, (), {}), found, {}, (-(-size // 8) * 8, 8))
    return made


def _is_of_ctypes(cls: type) -> bool:
    return cls.__module__ in ("_ctypes", "ctypes")


def _image(members: Mapping[str, Member], size: int) -> bytes:
    image = bytearray(size)
    for one in members.values():
        image[one.offset : one.offset + one.size] = image_of(one.type)
    return bytes(image)


def _is_method(cls: type, name: str, found: Any) -> bool:
    """Whether it is something that the user wrote for the class, and no field."""
    generated = name in getattr(cls, "__dataclass_fields__", ()) or name.startswith("__dataclass")
    if generated or name in _GENERIC or name in inspect.get_annotations(cls):
        return False
    if hasattr(cls, "__dataclass_fields__") and name in (
        "__init__",
        "__repr__",
        "__eq__",
        "__match_args__",
        "__hash__",
    ):
        return getattr(found, "__qualname__", "").partition(".")[0] != "__create_fn__" and _is_written(cls, found)
    return callable(found) or isinstance(found, property | staticmethod | classmethod) or not name.startswith("__")


def _is_written(cls: type, found: Any) -> bool:
    """Whether a method of a dataclass stands in a file, and was not made by dataclasses."""
    code = getattr(found, "__code__", None)
    return code is not None and not code.co_filename.startswith("<")


def _annotations(cls: type, around: Mapping[str, Any]) -> dict[str, Element | Bits]:
    """Fields by name with their types, those of base classes first; texts evaluated where the class stands."""
    found: dict[str, Element | Bits] = {}
    for one in reversed(cls.__mro__):
        space = {**vars(builtins), **getattr(sys.modules.get(one.__module__), "__dict__", {}), **around}
        for name, hint in inspect.get_annotations(one).items():
            place = f"struct {cls.__name__}: field {name}"
            try:
                hint = eval(hint, space, dict(vars(one))) if isinstance(hint, str) else hint
            except UsageError:
                raise
            except Exception as error:
                raise UsageError(f"{place}: the annotation {hint!r} fails: {error}") from None
            stored = stored_as(hint)
            if stored is None:
                raise UsageError(f"{place} has no storage type, but {hint!r}; {_NAMES_ONE}")
            found[name] = stored
    if not found:
        raise UsageError(f"struct {cls.__name__} has no fields; write them as `name: u32`")
    return found


def _placed(name: str, fields: Mapping[str, Element | Bits], packed: bool) -> tuple[list[Member], int, int]:
    """The fields at their places as the psABI puts them, with size and alignment of the whole."""
    members: list[Member] = []
    at = 0  # the next free bit
    align = 1
    for field, kind in fields.items():
        element = kind.type if isinstance(kind, Bits) else kind
        size, own = size_of(element), 1 if packed else align_of(element)
        align = max(align, own)
        if isinstance(kind, Bits):
            unit = at // (8 * own) * own if not packed else _packed_unit(members, element, at)
            if at + kind.count > 8 * (unit + size):  # it would cross the end of its unit
                unit = -(-at // (8 * own)) * own
            at = max(at, 8 * unit)
            members.append(Member(field, unit, element, kind.count, at - 8 * unit))
            at += kind.count
        else:
            offset = -(-at // (8 * own)) * own
            members.append(Member(field, offset, element))
            at = 8 * (offset + size)
    size = -(-at // (8 * align)) * align
    if members and members[-1].bits:  # a unit is stored whole, also where its last bits are free
        size = max(size, -(-(members[-1].offset + members[-1].size) // align) * align)
    return members, size, align


def _packed_unit(members: list[Member], element: Element, at: int) -> int:
    """Where the unit of the next bit-field begins without alignment: at the last one's, or the next byte."""
    last = members[-1] if members else None
    return last.offset if last is not None and last.bits and last.type is element else -(-at // 8)
