"""Arrays: `u8[16]` is a type, `u8[16]()` a value, zeroed unless it says otherwise.

An index counts from the end where it is negative, as in Python; outside it is an IndexError. A slice is a view that can
only be read; its bounds must lie in the array, where Python would cut them. Arrays of char are texts: they compare with
a str or bytes by what stands before the first NUL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.layout import MOST_BYTES, Element, Layout, View, align_of, image_of, size_of, view
from bpfvm.lang.types.memory import load, store
from bpfvm.lang.types.scalars import Indexed, Storage, char, s8, u8

BYTES = (u8, char, s8)  # elements of arrays that take bytes


class ArrayType(Layout):
    """The class of array types. __element__: the type of the elements. __length__: how many there are."""

    __element__: Element
    __length__: int

    def __parts__(cls) -> Iterator[tuple[int, Element]]:
        """Offset and type of each element."""
        step = size_of(cls.__element__)
        return ((place * step, cls.__element__) for place in range(cls.__length__))

    def __take__(cls, value: Any) -> bytes | None:
        """An array of bytes takes others and constants: what is too long is cut, what is missing is zeros."""
        data = value.encode() if isinstance(value, str) else value
        if not is_bytes(cls) or not (isinstance(data, bytes) or is_bytes(type(data))):
            return None
        return bytes(data)[: cls.__size__].ljust(cls.__size__, b"\0")

    def __repr__(cls) -> str:
        return cls.__name__


_made: dict[tuple[Element, int], ArrayType] = {}


def array_of(element: Element, length: int) -> Any:
    """The type of an array. UsageError for a length that cannot be."""
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise UsageError(f"{element.__name__}[{length!r}]: the length of an array is a number from 1 on")
    if size_of(element) * length > MOST_BYTES:
        raise UsageError(
            f"{element.__name__}[{length}] has {octets(size_of(element) * length)}, the limit is {MOST_BYTES}"
        )
    if (element, length) not in _made:
        names = {
            "__slots__": (), "__element__": element, "__length__": length, "__size__": size_of(element) * length,
            "__align__": align_of(element), "__image__": image_of(element) * length,
        }  # fmt: skip
        made = ArrayType(f"{element.__name__}[{length}]", (Text if element is char else ArrayView,), names)
        made.__module__ = element.__module__
        _made[element, length] = made
    return _made[element, length]


Indexed.array_of = array_of


class ArrayView(View):
    """A value of an array type."""

    __slots__ = ()
    __element__: Element
    __length__: int
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *items: Any) -> None:
        kind: Any = type(self)
        memory = bytearray(kind.__image__)
        object.__setattr__(self, "_bpf", (memory, 0, False))
        if len(items) == 1 and isinstance(items[0], bytes | str | ArrayView):
            store(kind, memory, 0, items[0])
            return
        given = items[0] if len(items) == 1 and isinstance(items[0], Iterator) else items
        count = _filled(kind, memory, given)
        if given is not items and count < kind.__length__:
            raise ValueError(f"{kind!r} takes {kind.__length__} items of a generator, and got {count}")

    def __len__(self) -> int:
        return self.__length__

    def __getitem__(self, index: Any) -> Any:
        memory, at, fixed = self._bpf
        if isinstance(index, slice):
            first, length = _span(self, index)
            return view(array_of(self.__element__, length), memory, at + first * size_of(self.__element__), True)
        return load(self.__element__, memory, at + _place(self, index), fixed)

    def __setitem__(self, index: Any, value: Any) -> None:
        memory, at, fixed = self._bpf
        if fixed:
            raise TypeError("a slice can only be read")
        if not isinstance(index, slice):
            store(self.__element__, memory, at + _place(self, index), value)
            return
        first, length = _span(self, index)
        size = len(value) if isinstance(value, bytes | ArrayView) else length
        if size != length:
            raise ValueError(f"a slice of {length} elements takes as many, and got {size}")
        store(array_of(self.__element__, length), memory, at + first * size_of(self.__element__), value)

    def __iter__(self) -> Iterator[Any]:
        for index in range(self.__length__):
            yield self[index]

    def __contains__(self, item: object) -> bool:
        return any(one == item for one in self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ArrayView) and type(other) is type(self):
            return bytes(self) == bytes(other)
        if isinstance(other, bytes) and self.__element__ in BYTES:
            return bytes(self) == other
        raise TypeError(f"{type(self).__name__} is compared with {type(other).__name__}")

    def startswith(self, text: bytes) -> bool:
        """Whether its first bytes are `text`."""
        if not isinstance(text, bytes):
            raise TypeError(f"startswith takes bytes here, not {type(text).__name__}")
        return bytes(self)[: len(text)] == text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self))})"


class Text(ArrayView):
    """An array of char."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str | bytes):
            return self.text == (other.encode() if isinstance(other, str) else other)
        return super().__eq__(other)

    def startswith(self, text: str | bytes) -> bool:
        """Whether its first bytes are `text`."""
        return super().startswith(text.encode() if isinstance(text, str) else text)

    @property
    def text(self) -> bytes:
        """What stands before the first NUL."""
        return bytes(self).partition(b"\0")[0]

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The text as a str."""
        return self.text.decode(encoding, errors)

    def __str__(self) -> str:
        return self.decode(errors="backslashreplace")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


def _filled(kind: ArrayType, memory: bytearray, items: Iterable[Any]) -> int:
    count = 0
    for item in items:
        if count == kind.__length__:
            raise TypeError(f"{kind!r} takes up to {kind.__length__} items")
        store(kind.__element__, memory, count * size_of(kind.__element__), item)
        count += 1
    return count


def _place(array: ArrayView, index: Any) -> int:
    """Bytes from the array's start to an element."""
    if not isinstance(index, int):
        raise TypeError(f"the index of {type(array).__name__} must be an integer, not {type(index).__name__}")
    length, number = array.__length__, int(index)
    if not -length <= number < length:
        raise IndexError(f"index {number} is outside of {type(array).__name__}")
    return number % length * size_of(array.__element__)


def _span(array: ArrayView, index: slice) -> tuple[int, int]:
    """First element and length of a slice. IndexError where it does not lie in the array, or is empty."""
    length = array.__length__
    if index.step is not None:
        raise TypeError("a slice of an array has no step")
    start = 0 if index.start is None else int(index.start)
    stop = length if index.stop is None else int(index.stop)
    start, stop = (one + length if one < 0 else one for one in (start, stop))
    if not 0 <= start < stop <= length:
        raise IndexError(f"the slice [{index.start}:{index.stop}] is not inside of {type(array).__name__}")
    return start, stop - start


def is_bytes(kind: Any) -> bool:
    """Whether a type is an array that takes bytes."""
    return isinstance(kind, ArrayType) and isinstance(kind.__element__, Storage) and kind.__element__ in BYTES
