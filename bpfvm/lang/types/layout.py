"""Types that lie in memory and are used by reference: what structs and arrays have in common.

A value of such a type is a view: a place in some memory, which in CPython is anything that is sliced like a bytearray.
Names keep views, so `b = a` names the same memory; what is stored in memory is bytes, so `outer.inner = b` copies.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from bpfvm.core.errors import UsageError
from bpfvm.lang.types.scalars import Indexed, Storage, bool8, s32, u32

MOST_BYTES = 1 << 16  # of one type: far more than any memory of a program holds


class Layout(Indexed):
    """The class of these types. __size__, __align__: bytes. __image__: a fresh value's bytes."""

    __size__: int
    __align__: int
    __image__: bytes

    @property
    def sizeof(cls) -> int:
        """Bytes of one value."""
        return cls.__size__

    def __take__(cls, value: Any) -> bytes | None:
        """The bytes that a place of this type gets of a value of another one; None where it takes no such value."""
        return None


class Own:
    """A struct in its own annotations, before it is made: what a pointer to it points to."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.waiting: list[Callable[[Layout], None]] = []  # what wants to know the struct when it is made

    def made(self, kind: Layout) -> None:
        """Tell the struct to what waits for it."""
        for tell in self.waiting:
            tell(kind)

    def __repr__(self) -> str:
        return self.__name__


Element: TypeAlias = "Storage | Layout"


class View:
    """A value in memory."""

    __slots__ = ("_bpf",)
    _bpf: tuple[Any, int, bool]  # memory, first byte, whether it may only be read

    def __bytes__(self) -> bytes:
        memory, at, _ = self._bpf
        return bytes(memory[at : at + size_of(type(self))])

    def copy(self) -> Any:
        """A value of its own with the same bytes."""
        return view(type(self), bytearray(bytes(self)))  # type: ignore[arg-type]

    __copy__ = copy

    def submit(self) -> None:
        """Give a record that `evs.reserve()` made to user space."""
        self._end("submit")

    def discard(self) -> None:
        """Drop such a record."""
        self._end("discard")

    def release(self) -> None:
        """Give back a socket that was looked up in a map of sockets."""
        end = getattr(self._bpf[0], "release", None)
        if end is None:
            raise TypeError(f"{type(self).__name__}: only a socket that was looked up in a map has release()")
        end()

    def _end(self, how: str) -> None:
        end = getattr(self._bpf[0], "end", None)
        if end is None:
            raise TypeError(f"{type(self).__name__}: only a record of a ring, made by reserve(), has {how}()")
        end(f"ringbuf_{how}")

    def __ne__(self, other: object) -> bool:
        return not self == other


def view(kind: Layout, memory: Any, at: int = 0, fixed: bool = False) -> Any:
    """The value of type `kind` at byte `at` of `memory`; one that is `fixed` cannot be stored to."""
    cls: Any = kind
    made: Any = object.__new__(cls)
    object.__setattr__(made, "_bpf", (memory, at, fixed))
    return made


def size_of(kind: Any) -> int:
    """Bytes of a value of a type."""
    return kind.size if isinstance(kind, Storage) else kind.__size__


def align_of(kind: Any) -> int:
    """What its address is a multiple of."""
    return kind.size if isinstance(kind, Storage) else kind.__align__


def image_of(kind: Any) -> bytes:
    """The bytes of a value that nothing was said of."""
    return bytes(kind.size) if isinstance(kind, Storage) else kind.__image__


@dataclass(frozen=True, slots=True)
class Bits:
    """`bits(u8, 4)`: a field of so many bits in a unit of that type."""

    type: Storage
    count: int


def bits(type: Any, count: int) -> Any:
    """The annotation of a bit-field of `count` bits: it shares a number of the storage type with its neighbours."""
    if not isinstance(type, Storage) or type.is_big or type is bool8:
        raise UsageError(f"bits() takes a storage type of numbers such as u8, in host order, not {type!r}")
    if not isinstance(count, int) or not 0 < count <= type.bits:
        raise UsageError(f"bits({type!r}, {count!r}): {type!r} has 1 to {type.bits} bits")
    return Bits(type, count)


def stored_as(annotation: Any) -> Element | Bits | None:
    """The type by which a field or an element is stored, of what an annotation evaluates to; None for anything else.

    `bool` is a byte; an IntEnum is a u32, or an s32 where a member is negative; `Annotated[T, u8]` says how T is
    stored.
    """
    beside = [found for one in getattr(annotation, "__metadata__", ()) if (found := stored_as(one)) is not None]
    if beside:
        return beside[0]
    if hasattr(annotation, "__metadata__"):
        return stored_as(annotation.__origin__)
    if isinstance(annotation, Storage | Layout | Bits):
        return annotation
    if annotation is bool:
        return bool8
    if isinstance(annotation, type) and issubclass(annotation, enum.IntEnum | enum.IntFlag):
        return s32 if any(int(one) < 0 for one in annotation) else u32
    return None


def leaves(kind: Any, at: int = 0) -> Iterator[tuple[int, Storage]]:
    """Offset and storage type of each number in a value; padding is no part of any. A unit of bit-fields counts once;
    it may begin in the field before it."""
    if isinstance(kind, Storage):
        yield at, kind
        return
    seen = None
    for one in kind.__parts__():
        if one != seen:
            yield from leaves(one[1], at + one[0])
        seen = one
