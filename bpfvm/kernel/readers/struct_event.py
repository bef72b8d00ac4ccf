"""Events of declared structs: what `bpfvm.lang.userspace.values` makes of their bytes, with fields that ctypes reads.

A struct's own value reads a field in 0.15 us, one of ctypes in a fifth of that (CPython 3.11), and an array of ctypes
makes many at once. They pass for instances of the declared class, whose own methods they have. They stand on a copy of
up to span.MOST records, which is freed with the last of them.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.keys import reader
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.lang.types.structs import Member, StructType, StructView
from bpfvm.lang.userspace.blocks import dtype_of
from bpfvm.lang.userspace.values import Chars, decoder, equal, plain

if TYPE_CHECKING:
    import numpy

_NUMBERS: Mapping[tuple[int, bool], Any] = {
    (1, False): ctypes.c_uint8, (2, False): ctypes.c_uint16, (4, False): ctypes.c_uint32, (8, False): ctypes.c_uint64,
    (1, True): ctypes.c_int8, (2, True): ctypes.c_int16, (4, True): ctypes.c_int32, (8, True): ctypes.c_int64,
}  # fmt: skip
_OF_ALL = {*vars(StructView), *vars(View), *vars(type("Empty", (), {})), "__members__", "__match_args__", "__size__",
           "__align__", "__image__", "__qualname__", "__annotations__", "__static_attributes__",
           "__firstlineno__"}  # fmt: skip


class Declared(ctypes.Structure):
    """An event of a declared struct, a copy that is not stored to: equal to what its values in user space are."""

    __slots__ = ()
    _kind: Any
    _bytes: int

    @property
    def _bpf(self) -> tuple[bytes, int, bool]:
        return bytes(self), 0, True

    def _plain(self) -> Any:
        """The same as a value of the declared class."""
        cls = plain(self._kind)
        made = object.__new__(cls)
        object.__setattr__(made, "_bpf", self._bpf)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain(), name)  # methods of the declared class; what there is not

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._plain(), name, value)  # which says what cannot be

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self).cast("B")[: self._bytes])

    def __hash__(self) -> int:
        return hash(reader(self._kind)(bytes(self), 0))

    def __eq__(self, other: object) -> bool:
        return bool(same) if (same := equal(self._kind)(self, other)) is not NotImplemented else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return repr(self._plain())

    def __reduce__(self) -> Any:
        return self._plain().__reduce__()

    def __copy__(self) -> Any:
        return self._plain().copy()


class Structs:
    """The events of one map. size: bytes of the struct."""

    def __init__(self, kind: StructType, padded: bool) -> None:
        """padded: by perf, so that records are longer than what programs send."""
        self.kind, self.size = kind, kind.__size__
        self._sizes = {self.size, (self.size + 4 + 7) // 8 * 8 - 4} if padded else {self.size}

    def of(self, stride: int) -> type[Declared]:
        """The class of events that stand so many bytes apart."""
        made = _class(self.kind, stride)
        assert made is not None, "events_of has asked"
        return made

    def dtype(self) -> numpy.dtype[Any]:
        """The type by which numpy reads them."""
        return dtype_of(self.kind)

    def make(self, data: bytes) -> Any:
        """One event; bytes of another size as they are."""
        if len(data) not in self._sizes:
            return data
        return self.of((self.size + 7) // 8 * 8).from_buffer_copy(data + bytes(8))


def structs(kind: Any, padded: bool) -> Structs | None:
    """What makes events of a declared type; None where its own values do it: for what is no struct, and for classes
    that say themselves how they are compared, shown and so on."""
    if not isinstance(kind, StructType) or _class(kind, (kind.__size__ + 7) // 8 * 8) is None:
        return None
    return Structs(kind, padded)


@lru_cache(256)
def _class(kind: StructType, stride: int) -> type[Declared] | None:
    members = sorted(kind.__members__.values(), key=lambda one: one.offset)
    special = [name for name in vars(kind) if name.startswith("__") and name not in _OF_ALL]
    if special or any(one.name.startswith("_") for one in members):
        return None
    fields: list[tuple[str, Any]] = []
    names: dict[str, Any] = {}
    end = 0
    for one in members:
        native = None if one.bits or one.offset < end else _native(one)
        if native is None:
            names[one.name] = property(_decoded(one))
            continue
        if one.offset > end:
            fields.append((f"from {end}", ctypes.c_ubyte * (one.offset - end)))
        end = one.offset + one.size
        is_text = isinstance(one.type, ArrayType)
        fields.append((f"_text_{one.name}" if is_text else one.name, native))
        if is_text:
            names[one.name] = property(_text(one.name))
    if stride > end:
        fields.append((f"from {end}", ctypes.c_ubyte * (stride - end)))
    metaclass: Any = type(Declared)
    made: type[Declared] = metaclass(kind.__name__, (Declared,), {
        "__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__,
        "__match_args__": tuple(kind.__members__), "__class__": property(lambda self: plain(kind)),
        "_kind": kind, "_bytes": kind.__size__, "_fields_": fields, **names,
    })  # fmt: skip
    return made


def _native(one: Member) -> Any:
    """The type of ctypes that reads a field; None for what it would read in another way, or put elsewhere."""
    kind = one.type
    if isinstance(kind, ArrayType):
        return ctypes.c_char * one.size if kind.__element__ is char else None
    if not isinstance(kind, Storage) or kind in (bool8, char) or kind.is_big != (sys.byteorder == "big"):
        return None
    if not isinstance(kind.unpack(bytes(kind.size)), int) or one.offset % kind.size:
        return None
    return _NUMBERS.get((kind.size, kind.is_signed))


# The attribute is in the text because looking it up by a name that is not known before takes half as long again.
_TEXT = """
def text(event):
    return Chars(event._text_{field})
"""


def _text(field: str) -> Callable[[Any], Any]:
    names: dict[str, Any] = {"Chars": Chars}
    exec(_TEXT.format(field=field), names)
    made: Callable[[Any], Any] = names["text"]
    return made


def _decoded(member: Member) -> Callable[[Any], Any]:
    read, offset = decoder(member.type), member.offset
    if member.bits:
        return lambda event: member.part(read(bytes(event), offset))
    return lambda event: read(bytes(event), offset)


__all__ = ["Declared", "Structs", "structs"]
