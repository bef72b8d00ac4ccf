"""Values as user space has them: plain numbers, texts and bytes, structs that are read field by field.

Numbers are Python's own, whatever they are stored as: `n - before` may be negative here. Arrays of char are `Chars`,
other arrays of bytes `bytes`, the rest tuples. A struct is an instance of the declared class, so its own methods are
there; it is a copy, equal to another with the same bytes and to a dict of its members.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from bpfvm.lang.types.arrays import ArrayType, is_bytes
from bpfvm.lang.types.layout import View, size_of, view
from bpfvm.lang.types.memory import store
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.lang.types.structs import Member, StructType, StructView

_SIZES = {1: "B", 2: "H", 4: "I", 8: "Q"}

# Of a buffer and a first byte: the value that stands there.
Decoder: TypeAlias = "Callable[[Any, int], Any]"


class Chars(bytes):
    """A text from an array of char: its bytes up to the first NUL. It equals a str with these bytes, too."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return bool(bytes(self) == (other.encode() if isinstance(other, str) else other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = bytes.__hash__

    @property
    def text(self) -> bytes:
        """The bytes, by the name that a program has for them."""
        return bytes(self)

    def __str__(self) -> str:
        return self.decode(errors="backslashreplace")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


@cache
def decoder(kind: Any) -> Decoder:
    """What reads values of a storage type, an array type or a struct."""
    if isinstance(kind, Storage):
        return _number(kind)
    if isinstance(kind, StructType):
        return _struct(kind)
    assert isinstance(kind, ArrayType), kind
    size, element, length = size_of(kind), kind.__element__, kind.__length__
    if element is char:
        return lambda data, at: Chars(bytes(data[at : at + size]).partition(b"\0")[0])
    if is_bytes(kind):
        return lambda data, at: bytes(data[at : at + size])
    if (form := _form(element)) is not None:
        read = struct.Struct(f"{form[0]}{length}{form[1]}").unpack_from
        return lambda data, at: read(data, at)
    each, step = decoder(element), size_of(element)
    return lambda data, at: tuple(each(data, at + index * step) for index in range(length))


def decoded(kind: Any, data: bytes) -> Any:
    """The value that bytes hold, which may be more than it has."""
    return decoder(kind)(data, 0)


def _form(kind: Any) -> tuple[str, str] | None:
    """Byte order and letter of a plain number, as module struct has them."""
    if not isinstance(kind, Storage) or kind.size not in _SIZES or kind in (bool8, char) or not _is_number(kind):
        return None
    letter = _SIZES[kind.size]
    return ">" if kind.is_big else "<", letter.lower() if kind.is_signed else letter


def _is_number(kind: Storage) -> bool:
    return isinstance(kind.unpack(bytes(kind.size)), int)


def _number(kind: Storage) -> Decoder:
    form = _form(kind)
    if form is None:  # truth values, letters, pointers
        return lambda data, at: kind.unpack(bytes(data[at : at + kind.size]))
    read = struct.Struct("".join(form)).unpack_from
    return lambda data, at: read(data, at)[0]


def _struct(kind: StructType) -> Decoder:
    cls: Any = plain(kind)
    new, put = object.__new__, object.__setattr__

    def read(data: Any, at: int) -> Any:
        made = new(cls)
        put(made, "_bpf", (data, at, True))
        return made

    return read


@cache
def plain(kind: StructType) -> Any:
    """The class of a struct's values in user space, below the declared one."""
    names: dict[str, Any] = {
        "__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__,
        "__hash__": StructView.__hash__, "__eq__": equal(kind), "copy": lambda self: _owned(kind, self),
    }  # fmt: skip
    names |= {name: _field(member) for name, member in kind.__members__.items()}
    return StructType(kind.__name__, (kind,), names)


def equal(kind: StructType) -> Callable[[Any, object], Any]:
    """What compares copies of a struct: with others by their bytes, with what outcomes show by its members."""

    def same(self: Any, other: object) -> Any:
        if isinstance(other, kind):
            return bytes(self) == bytes(other)
        if isinstance(other, Mapping):
            return view(kind, bytes(self)) == other
        return NotImplemented

    return same


def _owned(kind: StructType, value: View) -> Any:
    return view(kind, bytearray(bytes(value)))


def _field(member: Member) -> property:
    offset, form = member.offset, _form(member.type)

    if member.bits:
        whole = decoder(member.type)

        def get(self: Any) -> Any:
            memory, at, _ = self._bpf
            return member.part(whole(memory, at + offset))

    elif form is not None:
        unpack = struct.Struct("".join(form)).unpack_from

        def get(self: Any) -> Any:
            memory, at, _ = self._bpf
            return unpack(memory, at + offset)[0]

    else:
        read = decoder(member.type)

        def get(self: Any) -> Any:
            memory, at, fixed = self._bpf
            found = read(memory, at + offset)
            if isinstance(found, View) and not fixed:  # a struct in one that may be stored to
                object.__setattr__(found, "_bpf", (memory, at + offset, False))
            return found

    def put(self: Any, value: Any) -> None:
        memory, at, fixed = self._bpf
        if fixed:
            raise TypeError(f"field {member.name} of a copy is not stored to; store a whole value: m[key] = value")
        if member.bits:
            member.__set__(self, value)
        else:
            store(member.type, memory, at + offset, value)

    return property(get, put, doc=None)


__all__ = ["Chars", "Decoder", "decoded", "decoder", "equal", "plain"]
